"""What lets a job in to its hosts, and what keeps accounts from being locked."""

import asyncio

import pytest

from remjobs import JobState as S
from remjobs.api import Jobs
from remjobs.engine.access import JobAccess, Locked
from remjobs.engine.connected import connected
from remjobs.engine.guard import Guard
from remjobs.model.credential import CredentialInfo, CredentialKind
from remjobs.model.host import Become, BecomeMethod, Host
from remjobs.model.job import ReasonKind as K
from remjobs.model.request import Caller, Connection
from remjobs.model.secret import Secret
from remjobs.testing import MemoryHost, MemoryKeyring, MemoryTransport, memory_engine
from remjobs.transports.base import HostFailure, NeedsAnswer, SecretUse

LOGIN, KEY, BECOME, HOP = SecretUse.LOGIN, SecretUse.KEY, SecretUse.BECOME, SecretUse.HOP
RIGHT = "open sesame"
CALLER = Caller()


async def keep(keyring, name, secret=RIGHT, *, user=None, kind=CredentialKind.PASSWORD):
    info = CredentialInfo(name=name, user=user, kind=kind)
    await keyring.set(info, Secret(secret), CALLER)
    return keyring


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


# The guard


async def test_one_at_a_time_until_it_is_taken():
    """The second waits for the first one's luck, and then nobody waits."""
    guard = Guard("credential c")
    assert await guard.begin()
    second = asyncio.create_task(guard.begin())
    await asyncio.sleep(0)
    assert not second.done()
    guard.accepted()
    guard.end()
    assert await second is False
    assert await guard.begin() is False


async def test_two_refusals_end_it_for_those_who_wait_too():
    """The message names both hosts, and what to do."""
    guard = Guard("credential c")
    assert await guard.begin()
    waiting = [asyncio.create_task(guard.begin()) for _ in range(3)]
    guard.refused("h1")
    guard.end()
    assert await waiting[0]
    guard.refused("h2")
    guard.end()
    for task in waiting[1:]:
        with pytest.raises(HostFailure, match="not tried: credential c was refused by h1, h2") as e:
            await task
        assert e.value.reason is K.AUTHENTICATION
        assert "remjobs retry" in str(e.value)
    with pytest.raises(HostFailure):
        await guard.begin()


async def test_after_a_refusal_hosts_go_one_at_a_time_again():
    """Accounts of one name may be different ones: what was right once may be wrong now."""
    guard = Guard("c")
    await guard.begin()
    guard.accepted()
    guard.end()
    guard.refused("h2")
    assert await guard.begin()
    waiting = asyncio.create_task(guard.begin())
    await asyncio.sleep(0)
    assert not waiting.done()
    guard.refused("h3")
    guard.end()
    with pytest.raises(HostFailure):
        await waiting


async def test_whoever_gives_up_waiting_takes_no_turn():
    """A host that is stopped meanwhile does not hold up the others."""
    guard = Guard("c")
    await guard.begin()
    leaving, staying = (asyncio.create_task(guard.begin()) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    guard.end()
    assert await staying


# One host


async def test_a_credential_has_a_user_and_a_secret_for_its_kind():
    """A password logs in and answers sudo; a passphrase does neither, nor opens a hop."""
    keyring = await keep(MemoryKeyring(), "c", user="deploy")
    await keep(keyring, "k", "phrase", kind=CredentialKind.PASSPHRASE)
    access = JobAccess(keyring, CALLER).to(Host(name="h", user="me", credential="c"))
    assert await access.user() == "deploy"
    ready = [use for use in SecretUse if await access.ready(use)]
    assert ready == [LOGIN, BECOME]
    assert (await access.secret(LOGIN, "?")).reveal() == RIGHT
    access = JobAccess(keyring, CALLER).to(Host(name="h", user="me", credential="k"))
    assert await access.user() == "me"
    assert [use for use in SecretUse if await access.ready(use)] == [KEY]


async def test_a_hosts_credential_is_not_for_the_hosts_on_the_way():
    """A person is asked, once for the job."""
    keyring = await keep(MemoryKeyring(), "c")
    job = JobAccess(keyring, CALLER)
    one, other = (job.to(Host(name=name, credential="c")) for name in ("h1", "h2"))
    with pytest.raises(NeedsAnswer) as asked:
        await one.secret(HOP, "password of me@bastion")
    assert asked.value.is_shared
    one.answer(asked.value, Secret("x"))
    assert (await other.secret(HOP, "password of me@bastion")).reveal() == "x"


async def test_sudo_is_answered_by_its_own_credential_first():
    """And one that is not in the keyring is an error, not somebody's name."""
    keyring = await keep(MemoryKeyring(), "c")
    await keep(keyring, "root-here", "other", kind=CredentialKind.SUDO)
    host = Host(name="h", credential="c", become=Become(user="root", credential="root-here"))
    assert (await JobAccess(keyring, CALLER).to(host).secret(BECOME, "?")).reveal() == "other"
    host = connected(Host(name="h"), Connection(credential="c", become=Become(credential="nosuch")))
    with pytest.raises(HostFailure, match="no credential 'nosuch'; there are: c, root-here"):
        await JobAccess(keyring, CALLER).to(host).ready(BECOME)


async def test_su_is_never_told_the_password_of_the_login():
    """It asks for that of whom to be."""
    keyring = await keep(MemoryKeyring(), "c")
    become = Become(user="root", method=BecomeMethod.SU)
    access = JobAccess(keyring, CALLER).to(Host(name="h", credential="c", become=become))
    assert (await access.ready(LOGIN), await access.ready(BECOME)) == (True, False)


async def test_a_credential_of_the_inventory_that_is_not_there_fails():
    """With those that there are; one that was typed may be a user, whose password is asked."""
    keyring = await keep(MemoryKeyring(), "c")
    access = JobAccess(keyring, CALLER).to(Host(name="h", credential="bob"))
    with pytest.raises(HostFailure, match="no credential 'bob'; there are: c") as caught:
        await access.user()
    assert caught.value.reason is K.AUTHENTICATION
    typed = connected(Host(name="h"), Connection(credential="bob"))
    access = JobAccess(keyring, CALLER).to(typed)
    assert (await access.user(), await access.ready(LOGIN)) == ("bob", False)
    with pytest.raises(NeedsAnswer) as asked:
        await access.secret(LOGIN, "password of bob")
    assert asked.value.is_shared


async def test_a_code_is_used_once():
    """An answer to one child, and one that all hosts share."""
    job = JobAccess(MemoryKeyring(), CALLER)
    access = job.to(Host(name="h"))
    for shared in (False, True):
        with pytest.raises(NeedsAnswer) as asked:
            await access.secret(LOGIN, "code", once=True, shared=shared)
        access.answer(asked.value, Secret("123"))
        given = await access.secret(LOGIN, "code", once=True, shared=shared)
        assert given.reveal() == "123"
        with pytest.raises(NeedsAnswer):
            await access.secret(LOGIN, "code", once=True, shared=shared)
        access.refused(LOGIN)


async def test_whoever_asked_hears_of_an_answer_that_another_used_up():
    """It was given before they began to wait, and is gone already: they try again."""
    job = JobAccess(MemoryKeyring(), CALLER)
    one, late = job.to(Host(name="h1")), job.to(Host(name="h2"))
    asked = []
    for access in (one, late):
        with pytest.raises(NeedsAnswer) as caught:
            await access.secret(HOP, "code", once=True)
        asked.append(caught.value)
    one.answer(asked[0], Secret("123"))
    await one.secret(HOP, "code", once=True)
    async with asyncio.timeout(5):
        await late.came(asked[1])
    with pytest.raises(NeedsAnswer) as caught:
        await late.secret(HOP, "code", once=True)
    waiting = asyncio.create_task(late.came(caught.value))
    await asyncio.sleep(0)
    assert not waiting.done()
    job.answer("code", Secret("456"))
    async with asyncio.timeout(5):
        await waiting


async def test_an_empty_answer_is_an_answer():
    """Else a child would connect again and again to ask the same."""
    access = JobAccess(MemoryKeyring(), CALLER).to(Host(name="h"))
    with pytest.raises(NeedsAnswer) as asked:
        await access.secret(LOGIN, "password of me")
    access.answer(asked.value, Secret(""))
    async with asyncio.timeout(5):
        await access.came(asked.value)
    assert (await access.secret(LOGIN, "password of me")).reveal() == ""


async def test_a_turn_ends_with_what_the_host_says():
    """Login and sudo are told apart, so that two hosts cannot wait for each other."""
    keyring = await keep(MemoryKeyring(), "c")
    job = JobAccess(keyring, CALLER)
    one, other = (job.to(Host(name=name, credential="c")) for name in ("h1", "h2"))
    async with one.attempt():
        await one.secret(LOGIN, "?")
        waiting = asyncio.create_task(other.secret(LOGIN, "?"))
        await asyncio.sleep(0)
        assert not waiting.done()
        one.accepted(LOGIN)
        async with asyncio.timeout(5):
            await waiting
            await one.secret(BECOME, "?")
        waiting = asyncio.create_task(other.secret(BECOME, "?"))
        await asyncio.sleep(0)
        assert not waiting.done()
    async with asyncio.timeout(5):
        await waiting


async def test_who_is_stopped_may_keep_its_turn_until_the_host_has_judged():
    """Nobody else tries the password meanwhile; what the host says then, counts."""
    job = JobAccess(await keep(MemoryKeyring(), "c"), CALLER)
    hosts = [Host(name=f"h{n}", credential="c") for n in range(3)]
    for host in hosts[:2]:
        access = job.to(host)
        async with access.attempt():
            await access.secret(LOGIN, "?")
            let_go = access.hold(LOGIN)
        waiting = asyncio.create_task(job.to(hosts[2]).secret(LOGIN, "?"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        access.refused(LOGIN)
        let_go()
    with pytest.raises(HostFailure, match="was refused by h0, h1"):
        await job.to(hosts[2]).secret(LOGIN, "?")


async def test_a_turn_that_was_kept_is_let_go():
    """Also where nothing was judged."""
    job = JobAccess(await keep(MemoryKeyring(), "c"), CALLER)
    access = job.to(Host(name="h", credential="c"))
    async with access.attempt():
        await access.secret(LOGIN, "?")
        let_go = access.hold(LOGIN)
    let_go()
    async with asyncio.timeout(10):
        await job.to(Host(name="i", credential="c")).secret(LOGIN, "?")


async def test_a_password_that_is_refused_later_is_shown_to_no_further_host():
    """It was right once and was changed; each host counts once, however often it refuses."""
    job = JobAccess(await keep(MemoryKeyring(), "c"), CALLER)
    hosts = [job.to(Host(name=f"h{n}", credential="c")) for n in range(3)]
    for access in hosts:
        async with access.attempt():
            await access.secret(LOGIN, "?")
            access.accepted(LOGIN)
    hosts[0].refused(LOGIN)
    hosts[0].refused(LOGIN)
    hosts[2].check(LOGIN)
    async with hosts[2].attempt():
        await hosts[2].secret(LOGIN, "?")
    hosts[1].refused(LOGIN)
    with pytest.raises(HostFailure, match="not tried"):
        hosts[2].check(LOGIN)
    with pytest.raises(HostFailure, match="was refused by h0, h1"):
        await hosts[2].secret(LOGIN, "?")


async def test_a_locked_keyring_is_no_question_to_the_child():
    """It says what unlocks it."""
    access = JobAccess(MemoryKeyring("phrase"), CALLER).to(Host(name="h", credential="c"))
    with pytest.raises(Locked, match="locked: `remjobs unlock`") as caught:
        await access.user()
    assert not caught.value.is_answerable


# Whole jobs


def parts(job):
    return job.children


class Lab:
    """A fleet whose hosts ask for one password, and the credential ``c`` that may be it."""

    def __init__(self, service, fleet, keyring):
        self.jobs = Jobs(service)
        self.fleet = fleet
        self.keyring = keyring

    def hosts(self, count, credential="c"):
        return [
            Host(name=f"h{n}", transport="memory", credential=credential)
            for n in range(1, count + 1)
        ]

    async def start(self, count, **more):
        credential = more.pop("host_credential", "c")
        hosts = self.hosts(count, credential)
        return await self.jobs.start("work", on=hosts, **{"durable": False, **more})

    async def ran(self, count, **more):
        return (await self.jobs.wait(await self.start(count, **more), timeout=10))[0]

    async def children(self, job):
        return parts(*await self.jobs.get(job))

    def tried(self):
        return sum(self.fleet.behaviour(f"h{n}").tried for n in range(1, 41))


@pytest.fixture
async def lab(tmp_path):
    fleet = MemoryTransport({f"h{n}": MemoryHost(password=RIGHT) for n in range(1, 41)})
    keyring = MemoryKeyring("phrase")
    await keyring.unlock(Secret("phrase"), CALLER)
    async with memory_engine(tmp_path, fleet, keyring) as (_, service):
        yield Lab(service, fleet, keyring)


async def test_one_host_goes_first_and_the_rest_follow(lab):
    """While it is not known whether the first one takes it, nobody else tries."""
    await keep(lab.keyring, "c")
    gate = lab.fleet.behaviour("h1").login_gate = asyncio.Event()
    job = await lab.start(40)
    await until(lambda: lab.tried() == 1 and lab.fleet.active == 32)
    gate.set()
    assert (await lab.jobs.wait(job, timeout=10))[0].state is S.COMPLETED
    assert lab.tried() == 40


async def test_two_refusals_suspend_the_credential_for_the_job(lab):
    """The others were not tried, say so, and can be tried again once it is mended."""
    await keep(lab.keyring, "c", "wrong")
    job = await lab.ran(40)
    assert lab.tried() == 2
    assert [child.state for child in job.children] == [S.FAILED] * 40
    assert {child.reason.kind for child in job.children} == {K.AUTHENTICATION}
    said = [child.reason.message for child in job.children]
    assert sum("the password was refused" in message for message in said) == 2
    why = "not tried: credential c was refused by h1, h2; mend it, then `remjobs retry`"
    assert sum(message.endswith(why) for message in said) == 38
    assert lab.fleet.starts == []
    await keep(lab.keyring, "c")
    again = await lab.jobs.retry(job)
    assert (await lab.jobs.wait(again, timeout=10))[0].state is S.COMPLETED


async def test_a_host_that_is_not_reached_passes_the_turn_on(lab):
    """It never had one: nothing was tried there."""
    await keep(lab.keyring, "c")
    for name in ("h1", "h2", "h3"):
        lab.fleet.behaviour(name).refuses = HostFailure(K.UNREACHABLE, "no answer")
    job = await lab.ran(10)
    assert [child.state for child in job.children] == [S.FAILED] * 3 + [S.COMPLETED] * 7


async def test_a_first_host_that_is_stopped_passes_the_turn_on(lab):
    """And so does one that is stopped while it waits for its turn."""
    await keep(lab.keyring, "c")
    lab.fleet.behaviour("h1").login_gate = asyncio.Event()
    job = await lab.start(4)
    await until(lambda: lab.tried() == 1 and lab.fleet.active == 4)
    await lab.jobs.stop(job, hosts=["h2"])
    assert [c.state for c in await lab.children(job)][1] is S.STOPPED
    assert lab.tried() == 1
    await lab.jobs.stop(job, hosts=["h1"])
    [job] = await lab.jobs.wait(job, timeout=10)
    states = [child.state for child in job.children]
    assert states == [S.STOPPED, S.STOPPED, S.COMPLETED, S.COMPLETED]
    assert lab.fleet.active == 0


async def test_a_whole_job_is_stopped_while_it_waits_for_the_first(lab):
    """Nobody tries anything any more."""
    await keep(lab.keyring, "c")
    lab.fleet.behaviour("h1").login_gate = asyncio.Event()
    job = await lab.start(10)
    await until(lambda: lab.tried() == 1 and lab.fleet.active == 10)
    [job] = await lab.jobs.stop(job)
    assert {child.state for child in job.children} == {S.STOPPED}
    assert lab.tried() == 1


async def test_a_locked_keyring_blocks_the_job_until_it_is_unlocked(lab):
    """All children say what unlocks it, and all go on; an answer is not what they want."""
    await keep(lab.keyring, "c")
    await lab.keyring.lock()
    job = await lab.start(5)
    [job] = await lab.jobs.wait(job, timeout=10)
    assert job.state is S.BLOCKED
    await until_blocked(lab, job, 5)
    said = {child.status_message for child in await lab.children(job)}
    assert said == {"the credentials in memory are locked: `remjobs unlock`"}
    await lab.keyring.unlock(Secret("phrase"), CALLER)
    assert (await lab.jobs.wait(job, timeout=10, force=True))[0].state is S.COMPLETED


async def until_blocked(lab, job, count):
    async with asyncio.timeout(10):
        while [c.state for c in await lab.children(job)].count(S.BLOCKED) < count:
            await asyncio.sleep(0.005)


async def test_an_unknown_credential_of_the_inventory_fails_its_hosts(lab):
    """They say what there is; the rest of the job is unharmed."""
    await keep(lab.keyring, "c")
    hosts = [*lab.hosts(1, "nosuch"), *lab.hosts(2)[1:]]
    job = await lab.jobs.run("work", on=hosts, durable=False)
    assert [child.state for child in job.children] == [S.FAILED, S.COMPLETED]
    reason = job.children[0].reason
    assert reason.kind is K.AUTHENTICATION
    assert reason.message == "h1: no credential 'nosuch'; there are: c"


async def test_a_typed_name_is_asked_for_once_for_the_whole_job(lab):
    """One answer to one child is for all of them, also for those that come later."""
    for number in range(1, 41):
        lab.fleet.behaviour(f"h{number}").question = "password of bob"
    job = await lab.start(40, credential="bob", host_credential=None)
    await lab.jobs.wait(job, timeout=10)
    await until_blocked(lab, job, 32)
    child = (await lab.children(job))[0]
    assert child.status_message == f"password of bob; `remjobs answer {child.id}`"
    await lab.jobs.answer(child.id, answer=RIGHT)
    assert (await lab.jobs.wait(job, timeout=10, force=True))[0].state is S.COMPLETED


async def test_a_wrong_answer_for_all_hosts_is_tried_twice_at_most(lab):
    """What a person typed is guarded as what a keyring holds."""
    for number in range(1, 41):
        lab.fleet.behaviour(f"h{number}").question = "password of bob"
    job = await lab.start(40, credential="bob", host_credential=None)
    await until_blocked(lab, job, 32)
    await lab.jobs.answer(job, answer="wrong")
    [job] = await lab.jobs.wait(job, timeout=10, force=True)
    assert (job.state, lab.tried()) == (S.FAILED, 2)
