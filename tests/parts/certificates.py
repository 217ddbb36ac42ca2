"""Certificates of a small authority, made by the openssl program."""

import subprocess
from pathlib import Path


class Authority:
    """Signs certificates into a folder.

    Attributes:
        certificate: Its own, in PEM.
    """

    def __init__(self, folder: Path, name: str = "authority") -> None:
        """Make it."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate, self._key = folder / f"{name}.pem", folder / f"{name}.key"
        request = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}", "-days", "3650"]
        _openssl("req", "-x509", *request, "-keyout", str(self._key), "-out", str(self.certificate))

    def sign(self, name: str, host: str, *, expired: bool = False) -> tuple[Path, Path]:
        """A certificate for a host name or address, and its key."""
        certificate, key, request, more = (self._folder / f"{name}.{ending}" for ending in ("pem", "key", "csr", "cnf"))
        kind = "IP" if host[0].isdigit() else "DNS"
        (self._folder / "index.txt").write_text("")
        more.write_text(
            f"[ca]\ndefault_ca = a\n[a]\ndatabase = {self._folder}/index.txt\nnew_certs_dir = {self._folder}\nrand_serial = yes\n"
            f"default_md = sha256\npolicy = p\nx509_extensions = e\n[p]\ncommonName = supplied\n[e]\nsubjectAltName = {kind}:{host}\n"
        )
        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}"]
        _openssl("req", "-new", *new_key, "-keyout", str(key), "-out", str(request))
        dates = ["-startdate", "20200101000000Z", "-enddate", "20200102000000Z" if expired else "20991231000000Z"]
        signing = ["-cert", str(self.certificate), "-keyfile", str(self._key), "-in", str(request), "-out", str(certificate)]
        _openssl("ca", "-batch", "-notext", "-config", str(more), *dates, *signing)
        return certificate, key


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
