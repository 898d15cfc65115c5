"""Kerberos tickets in a caller's cache, whatever transport logs in with them."""

from __future__ import annotations

__all__ = ["lacking"]


def lacking(cache: str | None, principal: str | None = None) -> str | None:
    """Say why there is no ticket to log in with; None if there is one.

    Args:
        cache: By its name; None is the default one.
        principal: Whose; None: whosever there are.
    """
    import gssapi  # noqa: PLC0415 - an extra, and slow to load
    from gssapi.raw.exceptions import ExpiredCredentialsError  # noqa: PLC0415
    from gssapi.raw.misc import GSSError  # noqa: PLC0415

    whose = "" if principal is None else f" of {principal}"
    where = "" if cache is None else f" in {cache}"
    store: dict[bytes | str, bytes | str] | None = None if cache is None else {"ccache": cache}
    try:
        user = None if principal is None else gssapi.Name(principal, gssapi.NameType.user)
        left = gssapi.Credentials(name=user, usage="initiate", store=store).lifetime
    except ExpiredCredentialsError:
        left = 0
    except GSSError:
        return f"there is no Kerberos ticket{whose}{where}"
    return None if left else f"the Kerberos ticket{whose}{where} has expired"
