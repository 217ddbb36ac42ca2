"""The section `web`: what it refuses before anybody could use it wrongly."""

from typing import Any

import pytest

from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.config.validation import validate
from aegan_monitor.errors import ConfigError
from example_config import MACHINE

TOKEN: dict[str, Any] = {"token_file": "token"}
NO_PAGES = (
    "plant.example",
    "ftp://plant.example",
    "https://",
    "https://u:p@plant.example",
    "https://plant.example/#/cases",
    "http://[::1",
    "http://a b",
)


def make_config(web: dict[str, Any]) -> dict[str, Any]:
    """A configuration with this section."""
    section: dict[str, Any] = {"port": 8765, **web}
    return {"machines": [MACHINE], "web": section}


@pytest.mark.parametrize(
    ("web", "problem"),
    [
        ({"host": "192.0.2.1"}, "others reach the page, so it needs a token"),
        ({"host": "::"}, "others reach the page, so it needs a token"),
        ({"host": "hall.example"}, "others reach the page, so it needs a token"),
        ({"host": "192.0.2.1", **TOKEN}, "host 192.0.2.1 is reached by others without encryption"),
        ({"trusted_proxies": ["127.0.0.1"]}, "others reach the page, so it needs a token"),
        ({"user_header": "X-User", **TOKEN}, "anybody could send that header; set trusted_proxies"),
        ({"operators": ["anna"], "trusted_proxies": ["127.0.0.1"], **TOKEN}, "brings their names; set user_header, or remove operators"),
        ({"reader_token_file": "token"}, "no one could acknowledge an alarm; set token_file"),
        ({"trusted_proxies": ["proxy.example"], **TOKEN}, "expected an address or a network such as 172.30.32.0/23, found 'proxy.example'"),
        ({"port": None, "url": "https://plant.example"}, "links would lead to no page; set port, or remove url"),
        *((({"url": url}), f"expected the address of the page, such as https://plant.example/aegan, found {url!r}") for url in NO_PAGES),
        ({"trusted_proxies": ["10.0.0.1/8"], **TOKEN}, "expected an address or a network such as 172.30.32.0/23, found '10.0.0.1/8'"),
    ],
)
def test_a_page_that_others_could_misuse_is_refused(web: dict[str, Any], problem: str) -> None:
    """The problem is one line that names the key and what to do."""
    with pytest.raises(ConfigError) as found:
        validate(MonitorConfig, make_config(web), "monitor.yaml")
    assert problem in str(found.value)
    assert str(found.value).startswith("monitor.yaml: web")


@pytest.mark.parametrize(
    "web",
    [
        {},
        {"host": "localhost"},
        {"host": "::1"},
        {"host": "127.0.0.9"},
        {"host": "192.0.2.1", "insecure": True, **TOKEN},
        {"host": "192.0.2.1", "tls": {"certificate_file": "page.pem"}, **TOKEN},
        {"host": "192.0.2.1", "trusted_proxies": ["172.30.32.0/23"], "user_header": "X-Remote-User-Name", "operators": ["anna"]},
        {"trusted_proxies": ["127.0.0.1"], **TOKEN},
        {"port": None, "host": "192.0.2.1"},  # nothing listens
    ],
)
def test_what_is_protected_is_accepted(web: dict[str, Any]) -> None:
    """Loopback needs nothing; any other address a token, and encryption, a proxy or the user's word."""
    validate(MonitorConfig, make_config(web), "monitor.yaml")


def test_the_page_has_no_slash_at_its_end() -> None:
    """Links are made by adding to it."""
    config = validate(MonitorConfig, make_config({"url": "https://plant.example:8443/aegan/"}), "monitor.yaml")
    assert config.web.url == "https://plant.example:8443/aegan"
