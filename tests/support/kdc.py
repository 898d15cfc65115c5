"""A real MIT Kerberos KDC on loopback, with a realm, principals and tickets of a test's own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

from support.sshd import wait_for

REALM = "TEST.REMJOBS"
_KRB5 = """\
[libdefaults]
    default_realm = {realm}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    qualify_shortname = ""
[realms]
    {realm} = {{
        kdc = 127.0.0.1:{port}
    }}
"""
_KDC = """\
[kdcdefaults]
    kdc_listen = 127.0.0.1:{port}
    kdc_tcp_listen = 127.0.0.1:{port}
[realms]
    {realm} = {{
        database_name = {folder}/principal
        key_stash_file = {folder}/stash
        acl_file = {folder}/acl
        max_life = 1d
    }}
"""


class Kdc:
    """A KDC; ``environment`` is what clients and servers of its realm need."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        words = {"realm": REALM, "port": self.port, "folder": self.folder}
        (self.folder / "krb5.conf").write_text(_KRB5.format(**words))
        (self.folder / "kdc.conf").write_text(_KDC.format(**words))
        self.keytab = self.folder / "keytab"
        self.environment = {
            "KRB5_CONFIG": str(self.folder / "krb5.conf"),
            "KRB5RCACHENAME": "none:",
        }
        self._own = {**os.environ, **self.environment}
        self._own["KRB5_KDC_PROFILE"] = str(self.folder / "kdc.conf")
        self._run(_system("kdb5_util"), "create", "-s", "-r", REALM, "-P", "master")
        self._process = subprocess.Popen(
            [_system("krb5kdc"), "-n"],
            env=self._own,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._listens, "the KDC listens")

    def _listens(self):
        assert self._process.poll() is None, "the KDC ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _run(self, *words, said=""):
        return subprocess.run(
            [str(word) for word in words],
            check=True,
            env=self._own,
            input=said,
            capture_output=True,
            text=True,
        )

    def add_user(self, name, password, *options):
        """Let somebody have tickets; options as of kadmin's addprinc (``-maxlife 5s``)."""
        self._run(_system("kadmin.local"), "addprinc", *options, "-pw", password, name)

    def require_preauth(self, name):
        """Let the KDC see a wrong password, and count it, as Active Directory does."""
        self._run(_system("kadmin.local"), "modprinc", "+requires_preauth", name)

    def add_odd_user(self, name, password, *done):
        """Add somebody who is not as others are: how is in kadmin's words."""
        self.add_user(name, password)
        self._run(_system("kadmin.local"), "modprinc", *done, name)

    def refusals(self, name):
        """Return how many passwords of somebody's were refused since the last right one."""
        said = self._run(_system("kadmin.local"), "getprinc", name).stdout
        (line,) = [line for line in said.splitlines() if line.startswith("Failed password")]
        return int(line.rpartition(":")[2])

    def add_service(self, name):
        """Let a service be called so; its key goes into the keytab."""
        self._run(_system("kadmin.local"), "addprinc", "-randkey", name)
        self._run(_system("kadmin.local"), "ktadd", "-k", self.keytab, name)

    def add_host(self, name="localhost"):
        """Let a Windows host be called so, by each service that its clients ask for."""
        for service in ("HTTP", "host", "WSMAN"):
            self.add_service(f"{service}/{name}")

    def ticket(self, name, password, cache, *more):
        """Get a ticket, as kinit does, and return its cache."""
        self._run("kinit", "-c", cache, *more, name, said=f"{password}\n")
        return f"FILE:{cache}"

    def gives(self, cache, service="HTTP/localhost"):
        """Return whether somebody who has a cache gets a ticket for a service now."""
        command = ["kvno", "-q", "-c", cache, service]
        return (
            subprocess.run(command, env=self._own, capture_output=True, check=False).returncode == 0
        )

    def skewed(self, offset):
        """Return an environment in which the clock is off (``+1h``: see faketime(1))."""
        library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
        assert library, "libfaketime is missing: install faketime (make test does)"
        return {
            **self.environment,
            "LD_PRELOAD": str(library),
            "FAKETIME": offset,
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def stop(self):
        """End it."""
        self._process.terminate()
        self._process.wait()


def _system(name):
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert found, f"{name} is missing: install krb5-kdc and krb5-admin-server (make test does)"
    return found
