"""Every TLS, password and permission failure between broker and daemon."""

from dataclasses import dataclass
from pathlib import Path

from aegan_monitor.detection.bundle import demo_bundle
from broker import Mosquitto

PASSWORD, WRONG = "s3cret-that-opens", "s3cret-that-does-not"
USER = "pump"
MAY_WRITE_ALL = f"user {USER}\ntopic readwrite #\n"
TRIALS = "homeassistant/sensor/box/check/config, homeassistant/sensor/box_pump/check/config"
UNTRUSTED = "the broker's certificate is signed by an unknown authority; name the authority's certificate in mqtt.tls.ca_file"


@dataclass(frozen=True)
class Case:
    """One failure; `line` is the message of daemon and `check`, `stage` the stage at which `check` ends."""

    line: str
    stage: str
    certificate: str = "good"
    authority: str = "good"
    shows_certificate: bool = True
    password: str = PASSWORD
    acl: str = MAY_WRITE_ALL
    check_line: str = ""


CASES = {
    "good": Case("accepted client 'aegan-box' (MQTT 5)", ""),
    "expired": Case("the broker's certificate has expired; renew it", "TLS", certificate="expired"),
    "wrong host": Case("the broker's certificate is for another address; set mqtt.host to a name in it", "TLS", certificate="other"),
    "unknown authority": Case(UNTRUSTED, "TLS", authority="other"),
    "no client certificate": Case(
        "the broker wants a client certificate; set mqtt.tls.certificate_file and mqtt.tls.key_file", "TLS", shows_certificate=False
    ),
    "wrong password": Case(
        "refused client 'aegan-box' (Not authorized): check mqtt.username and mqtt.password_file",
        "MQTT",
        password=WRONG,
        check_line="refused client 'aegan-box-check' (Not authorized): check mqtt.username and mqtt.password_file",
    ),
    "ACL": Case(
        "refused a message on aegan/box/pump/alarm (Not authorized): it is sent again every 1 to 10 minutes; check the broker's ACL",
        "permission to publish",
        acl=f"user {USER}\ntopic write aegan/box/health\ntopic write aegan/box/status\ntopic write homeassistant/#\n",
        check_line="a message on aegan/box/check was refused (Not authorized); the ACL must let this user write aegan/box/#",
    ),
    "ACL of discovery": Case(
        "refused a message on homeassistant/+/+/+/config (Not authorized): it is sent again every 1 to 10 minutes; check the broker's ACL",
        "permission to publish discovery",
        acl=f"user {USER}\ntopic readwrite aegan/#\n",
        check_line="a message on homeassistant/sensor/box/check/config and on homeassistant/sensor/box_pump/check/config was refused "
        "(Not authorized); the ACL must let this user write homeassistant/+/box/+/config and homeassistant/+/box_pump/+/config, "
        "or set home_assistant.discovery: false",
    ),
    "ACL of subscriptions": Case(
        "accepted client 'aegan-box' (MQTT 5)",
        "permission to subscribe",
        acl=f"user {USER}\ntopic write #\n",
        check_line="the subscription to aegan/box/+/command was granted, but nothing is delivered; the ACL must let this user read it",
    ),
}


def make_broker(folder: Path, files: dict[str, Path], case: Case) -> Mosquitto:
    """A broker that requires TLS, a client certificate and a password."""
    more = [
        f"cafile {files['good authority']}",
        f"certfile {files[case.certificate]}",
        f"keyfile {files[f'{case.certificate} key']}",
        "require_certificate true",
    ]
    return Mosquitto(folder / "mosquitto", users={USER: PASSWORD}, acl=case.acl, more=more)


def write_config(folder: Path, files: dict[str, Path], case: Case, port: int) -> Path:
    """A daemon with a certificate authority, a client certificate and a password."""
    (folder / "password").write_text(case.password + "\n")
    own = f", certificate_file: {files['client']}, key_file: {files['client key']}" if case.shows_certificate else ""
    path = folder / "monitor.yaml"
    path.write_text(
        f"node: box\nhealth_interval_s: 0.3\noutbox: {{path: outbox.sqlite}}\n"
        f"mqtt: {{host: 127.0.0.1, port: {port}, username: {USER}, password_file: password, retry_s: 0.5,\n"
        f"  tls: {{ca_file: {files[f'{case.authority} authority']}{own}}}}}\n"
        f"machines: [{{name: pump, bundle: {demo_bundle()}, capture: {{kind: file, paths: [{files['sound']}], loop: true}}}}]\n"
    )
    return path
