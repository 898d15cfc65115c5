"""Kerberos tickets for one login: the caller's, or our own in memory."""

from __future__ import annotations

import re
import time
from importlib.util import find_spec
from typing import Any, Final

from remjobs.model.job import ReasonKind
from remjobs.model.ping import Stage
from remjobs.transports.base import HostFailure
from remjobs.transports.tickets import lacking
from remjobs.transports.winrm.wire.errors import LoginRefused
from remjobs.transports.winrm.wire.login import WinRmLogin
from remjobs.transports.winrm.wire.refusals import password_of, password_refused

__all__ = ["Tickets", "code_of", "has_kerberos", "is_final", "kerberos_failure"]

# Error codes of MIT Kerberos (krb5_err.et); RFC 4120, section 7.5.9, less 1765328384.
_NO_CLIENT: Final = -1765328378
_NO_SERVER: Final = -1765328377
_REVOKED: Final = -1765328366
_PASSWORD_EXPIRED: Final = -1765328361
_PREAUTH_FAILED: Final = -1765328360
_BAD_INTEGRITY: Final = -1765328353
_TICKET_EXPIRED: Final = -1765328352
_SKEW: Final = -1765328347
_NO_KDC: Final = frozenset({-1765328230, -1765328228, -1765328164})
"""KRB5_REALM_UNKNOWN, KRB5_KDC_UNREACH, KRB5_REALM_CANT_RESOLVE."""
_NO_TICKET: Final = frozenset({-1765328189, -1765328243, -1765328188})
"""KRB5_FCC_NOFILE, KRB5_CC_NOTFOUND, KRB5_FCC_PERM."""

_NO_NAME: Final = frozenset({-1765328250, -1765328160})
"""KRB5_PARSE_MALFORMED, KRB5_CONFIG_NODEFREALM."""
_SPARE: Final = 300.0
"""Seconds: a ticket that ends so soon is not begun with."""
_CODE: Final = re.compile(r" -?\d+$")
_OF_PASSWORD: Final = frozenset({_PREAUTH_FAILED, _BAD_INTEGRITY})
_OF_USER: Final = _OF_PASSWORD | {_REVOKED, _PASSWORD_EXPIRED}


def has_kerberos() -> bool:
    """Whether what Kerberos needs is installed."""
    return find_spec("gssapi") is not None and find_spec("krb5") is not None


_NOTHING: Final = (
    "there is no password, and a Kerberos ticket needs more packages: "
    "name a credential, or `pip install 'remjobs[kerberos]'`"
)


class Tickets:
    """A credential cache by name: never this process's KRB5CCNAME."""

    def __init__(self, login: WinRmLogin) -> None:
        """Ask nobody yet."""
        self._login = login
        self._own: tuple[Any, Any] | None = None
        self._until = 0.0

    def cache(self) -> str:
        """Return the cache's name, with a ticket in it: by password if there is one.

        Raises:
            LoginRefused: The KDC refuses the password.
            HostFailure: There is no ticket, or its time is up.
        """
        if self._login.secret is None:
            return self._callers()
        if self._own is not None and self._until - time.time() < _SPARE:
            self.close()
        if self._own is None:
            self._own, self._until = self._obtained()
        return _name(*self._own)

    def close(self) -> None:
        """Destroy tickets of our own: one in memory lives as long as the process does."""
        if self._own is None:
            return
        import krb5  # noqa: PLC0415 - an extra, and slow to load

        krb5.cc_destroy(*self._own)
        self._own = None

    def _callers(self) -> str:
        if not has_kerberos():
            raise _failure(_NOTHING, "")
        import krb5  # noqa: PLC0415 - an extra, and slow to load

        name = self._login.ccache
        if name is None:
            default: bytes = krb5.cc_default_name(krb5.init_context()) or b""
            name = default.decode()
        if (why := lacking(name, self._login.principal)) is not None:
            raise _failure(why, "`kinit`, or name a credential")
        return name

    def _obtained(self) -> tuple[tuple[Any, Any], float]:
        """Get a ticket as kinit does, into memory; return its cache and its end."""
        import krb5  # noqa: PLC0415 - an extra, and slow to load

        user, password = password_of(self._login)
        try:
            context = krb5.init_context()
            principal = krb5.parse_name_flags(context, user.encode())
            options = krb5.get_init_creds_opt_alloc(context)
            krb5.get_init_creds_opt_set_canonicalize(options, True)
            krb5.get_init_creds_opt_set_forwardable(options, self._login.delegate)
            word = password.reveal().encode("utf-8", "replace")
            got = krb5.get_init_creds_password(context, principal, options, word)
            cache = krb5.cc_new_unique(context, b"MEMORY")
            krb5.cc_initialize(context, cache, got.client)
            krb5.cc_store_cred(context, cache, got)
        except krb5.Krb5Error as exc:
            raise kerberos_failure(exc, self._login) from exc
        return (context, cache), float(got.times.endtime)


def code_of(exc: BaseException) -> int | None:
    """Return Kerberos's own error code, wherever the libraries in between put it."""
    seen: BaseException | None = exc
    while seen is not None:
        code = getattr(seen, "err_code", None) or getattr(seen, "min_code", None)
        if code is not None:
            return int(code) - 2**32 if code >= 2**31 else int(code)
        seen = getattr(seen, "base_error", None) or seen.__cause__
    return None


def is_final(failure: HostFailure) -> bool:
    """Whether the KDC knows the user and refuses: no other mechanism may try the password."""
    return code_of(failure) in _OF_USER


def kerberos_failure(exc: BaseException, login: WinRmLogin, principal: str = "") -> HostFailure:
    """Say what an error of Kerberos's means.

    Args:
        exc: The library's error.
        login: Whose.
        principal: The host's, once that is asked for.
    """
    code = code_of(exc)
    if code in _OF_PASSWORD and login.secret is not None:
        return LoginRefused(f"{password_refused(login)} (the KDC says so)")
    if code == _NO_SERVER:
        remedy = "name the host as its realm does, or add this name there"
        return _failure(f"the KDC knows no service {principal}", remedy)
    if code in _NO_KDC:
        return _failure("no KDC answers for the realm", "see /etc/krb5.conf, and DNS")
    if code in _NO_NAME:
        return _failure(f"{login.user} is no name in a realm: {_words(exc)}", "say user@REALM")
    if code in _NO_TICKET:
        return _failure("there is no Kerberos ticket", "`kinit`, or name a credential")
    return _failure(*_SAID.get(code or 0, (f"Kerberos failed: {_words(exc)}", "")))


_CLOCKS: Final = "set both clocks (NTP): Kerberos allows five minutes"
_SAID: Final = {
    _NO_CLIENT: ("the KDC does not know the user", ""),
    _REVOKED: ("the KDC has locked or disabled the user", ""),
    _PASSWORD_EXPIRED: ("the password has expired", "change it"),
    _TICKET_EXPIRED: ("the Kerberos ticket has expired", "`kinit`"),
    _SKEW: ("the clocks differ too much (clock skew)", _CLOCKS),
}


def _failure(message: str, remedy: str) -> HostFailure:
    return HostFailure(
        ReasonKind.AUTHENTICATION, message, stage=Stage.AUTHENTICATION, remedy=remedy
    )


def _words(exc: BaseException) -> str:
    """Return the library's words for the innermost error: they hold names, no secrets."""
    seen = exc
    while (inner := getattr(seen, "base_error", None) or seen.__cause__) is not None:
        seen = inner
    return _CODE.sub("", " ".join(str(seen).split()))


def _name(context: Any, cache: Any) -> str:
    import krb5  # noqa: PLC0415 - an extra, and slow to load

    kind, name = krb5.cc_get_type(context, cache), krb5.cc_get_name(context, cache)
    return f"{kind.decode()}:{name.decode()}"
