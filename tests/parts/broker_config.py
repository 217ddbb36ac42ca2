"""The configuration of a mosquitto."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

Saves = Literal["at once", "late"]
SAVES = {"at once": ("autosave_on_changes true", "autosave_interval 1"), "late": ("autosave_interval 1800",)}  # the latter is its default


def write_broker_config(
    folder: Path, listeners: Sequence[str], users: Mapping[str, str] | None, acl: str | None, saves: Saves | None
) -> Path:
    """Write `mosquitto.conf` with its password and ACL files; see `Mosquitto`."""
    lines = [*listeners, f"allow_anonymous {'false' if users else 'true'}"]
    if saves is not None:
        lines += [f"persistence_location {folder}/", "max_queued_messages 0", *SAVES[saves]]
    lines.append(f"persistence {str(saves is not None).lower()}")
    if os.geteuid() == 0:
        lines.append("user root")  # else it could not read a folder that is root's alone
    if users:
        passwords = folder / "passwords"
        passwords.write_text("")
        passwords.chmod(0o600)
        for name, password in users.items():
            subprocess.run(["mosquitto_passwd", "-b", str(passwords), name, password], check=True, capture_output=True)
        lines.append(f"password_file {passwords}")
    if acl is not None:
        (folder / "acl").write_text(acl)
        (folder / "acl").chmod(0o600)
        lines.append(f"acl_file {folder / 'acl'}")
    config = folder / "mosquitto.conf"
    config.write_text("\n".join(lines) + "\n")
    return config
