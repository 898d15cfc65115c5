"""What Ansible's variables are called with us, and which of them are passed over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from remjobs.model.authentication import Authentication

__all__ = [
    "HARMLESS",
    "MEANINGS",
    "MECHANISMS",
    "ONLY_WITH",
    "PASSED_OVER",
    "TRANSPORTS",
    "UNCHECKED",
]

TRANSPORTS: Final[Mapping[str, str]] = {
    "ssh": "ssh",
    "smart": "ssh",
    "openssh": "ssh",
    "paramiko": "ssh",
    "paramiko_ssh": "ssh",
    "local": "local",
    "winrm": "winrm",
    "psrp": "winrm",
}
MECHANISMS: Final[Mapping[str, Authentication]] = {
    "basic": Authentication.BASIC,
    "plaintext": Authentication.BASIC,
    "ssl": Authentication.BASIC,
    "certificate": Authentication.CERTIFICATE,
    "credssp": Authentication.CREDSSP,
    "kerberos": Authentication.KERBEROS,
    "negotiate": Authentication.NEGOTIATE,
    "ntlm": Authentication.NTLM,
}
UNCHECKED: Final = ("ansible_winrm_server_cert_validation", "ansible_psrp_cert_validation")
"""Variables that can leave a host's certificate unchecked, by ``ignore``."""
MEANINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "transport": ("ansible_connection",),
    "address": ("ansible_host", "ansible_ssh_host", "ansible_winrm_host", "ansible_psrp_host"),
    "port": ("ansible_port", "ansible_ssh_port", "ansible_winrm_port", "ansible_psrp_port"),
    "user": ("ansible_user", "ansible_ssh_user", "ansible_winrm_user", "ansible_psrp_user"),
    "authentication": ("ansible_winrm_transport", "ansible_psrp_auth"),
    "ssh.identity_files": ("ansible_private_key_file", "ansible_ssh_private_key_file"),
    "ssh.connect_timeout": ("ansible_timeout", "ansible_ssh_timeout"),
    "winrm.scheme": ("ansible_winrm_scheme", "ansible_psrp_protocol"),
    "winrm.path": ("ansible_winrm_path", "ansible_psrp_path"),
    "winrm.insecure_tls": UNCHECKED,
    "winrm.ca_file": ("ansible_winrm_ca_trust_path", "ansible_psrp_ca_cert"),
    "winrm.certificate_file": ("ansible_winrm_cert_pem", "ansible_psrp_certificate_pem"),
    "winrm.certificate_key_file": (
        "ansible_winrm_cert_key_pem",
        "ansible_psrp_certificate_key_pem",
    ),
    "winrm.delegate": ("ansible_winrm_kerberos_delegation", "ansible_psrp_negotiate_delegate"),
    "winrm.service": ("ansible_winrm_service", "ansible_psrp_negotiate_service"),
    "winrm.proxy": ("ansible_winrm_proxy", "ansible_psrp_proxy"),
    "winrm.connect_timeout": (
        "ansible_winrm_connection_timeout",
        "ansible_psrp_connection_timeout",
    ),
    "winrm.operation_timeout": (
        "ansible_winrm_operation_timeout_sec",
        "ansible_psrp_operation_timeout",
    ),
    "winrm.read_timeout": ("ansible_winrm_read_timeout_sec", "ansible_psrp_read_timeout"),
}
"""For each of our settings Ansible's variables; of several that are set, the last wins."""
ONLY_WITH: Final[Mapping[str, str]] = {
    "ansible_ssh_": "ssh",
    "ansible_winrm_": "winrm",
    "ansible_psrp_": "winrm",
}
"""Variables that mean something only with this transport."""
PASSED_OVER: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "ansible_ssh_common_args",
            "ansible_ssh_extra_args",
            "ansible_ssh_args",
            "ansible_ssh_executable",
            "ansible_ssh_host_key_checking",
            "ansible_host_key_checking",
        ),
        "write it as an option in ~/.ssh/config, which remjobs reads",
    ),
    **dict.fromkeys(
        ("ansible_become", "ansible_become_user", "ansible_become_method"),
        "--become and --become-user say so",
    ),
    "ansible_shell_type": "--shell says what runs the work",
    **dict.fromkeys(
        ("ansible_winrm_message_encryption", "ansible_psrp_message_encryption"),
        "messages over http are always encrypted",
    ),
}
"""Variables that change how Ansible reaches a host, and what to do instead."""
HARMLESS: Final[Mapping[str, frozenset[object]]] = {
    "ansible_shell_type": frozenset({"sh", "powershell"}),
    "ansible_winrm_message_encryption": frozenset({"auto", "always"}),
    "ansible_psrp_message_encryption": frozenset({"auto", "always"}),
}
"""Values of these that ask for nothing but what is done anyway."""
