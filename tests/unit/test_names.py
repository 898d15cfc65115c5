"""Names that could be options, several words or control characters are refused wherever used."""

import pytest

from remjobs.engine.access import JobAccess
from remjobs.errors import UsageError
from remjobs.model.credential import CredentialInfo
from remjobs.model.host import Host
from remjobs.model.request import Caller, Connection
from remjobs.model.secret import Secret
from remjobs.testing import MemoryKeyring
from remjobs.transports.base import HostFailure

UNSAFE = ["-oProxyCommand=x", "a b", "a\nb", "a;b", "a$(id)", ""]


@pytest.mark.parametrize("user", UNSAFE)
def test_a_user_is_refused_when_it_is_asked_for(user):
    """Before anything starts, whatever the transport."""
    with pytest.raises(UsageError, match="is not a user name"):
        Connection(user=user)


@pytest.mark.parametrize("user", [name for name in UNSAFE if name])
async def test_a_user_is_refused_where_it_comes_from_a_credential_or_a_stored_job(user):
    """It is that host's failure, and no other one's."""
    keyring = MemoryKeyring()
    await keyring.set(CredentialInfo(name="c", user=user), Secret("s"), Caller())
    job = JobAccess(keyring, Caller())
    for host in (Host(name="h", credential="c"), Host(name="h", user=user)):
        with pytest.raises(HostFailure, match="is not a user name"):
            await job.to(host).user()
    assert await job.to(Host(name="h", user="DOMAIN\\jane.doe@x")).user() == "DOMAIN\\jane.doe@x"
