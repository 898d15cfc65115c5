"""What a schedule does when it looks, by a clock of our own: late, missed, queued, crashed."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from support.engines import until

from remjobs.engine.schedule import Schedule
from remjobs.errors import StoreFull
from remjobs.model.definition import DefineRequest, Outcome, definition_of
from remjobs.model.request import StartRequest, Targets
from remjobs.model.trigger import At, AtStartup, Daily, Every, TimeOfDay
from remjobs.model.work import Command, Work
from remjobs.testing import MemoryTransport, memory_engine

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Bench:
    """A schedule over hosts in memory, whose clock stands still until it is moved."""

    def __init__(self, engine, service, fleet):
        self.engine, self.service, self.fleet = engine, service, fleet
        self.store = engine.store.definitions
        self.time = NOON
        self.schedule = Schedule(engine, service._begin, lambda: self.time)

    async def define(self, *triggers, **more):
        """Save a definition at noon."""
        targets = Targets(hosts=(self.fleet.host("h"),))
        work = Work(command=Command(text="work"), durable=False)
        start = StartRequest(instance_id=uuid4(), work=work, targets=targets)
        request = DefineRequest(id=uuid4(), name="d", start=start, triggers=triggers, **more)
        return (await self.store.add(definition_of(request, NOON), start)).definition

    async def look(self, after):
        """Look so many seconds after noon, until nothing is at work any more."""
        self.time = NOON + timedelta(seconds=after)
        sleep = await self.schedule.look()
        await until(lambda: not self.schedule._at_work, "the schedule has done what is due")
        return sleep

    async def history(self, definition):
        entries = await self.store.history(definition.id)
        return [(entry.outcome.value, entry.count) for entry in entries]


@asynccontextmanager
async def bench(folder):
    fleet = MemoryTransport()
    async with memory_engine(folder, fleet) as (engine, service):
        yield Bench(engine, service, fleet)


async def test_what_is_due_starts_and_the_next_time_is_waited_for(tmp_path):
    """Not before; once; and the sleep ends when the next one is due."""
    async with bench(tmp_path) as b:
        definition = await b.define(Every(seconds=20))
        assert await b.look(5) == timedelta(seconds=15)
        assert await b.history(definition) == []
        await b.look(20)
        await b.look(20.5)
        assert await b.history(definition) == [("Started", 1)]
        assert await b.look(21) == timedelta(seconds=19)
        assert b.schedule.is_needed


async def test_what_nobody_looked_at_in_time_was_missed(tmp_path):
    """It is told, with how many there were, and does not start late unasked."""
    async with bench(tmp_path) as b:
        definition = await b.define(Daily(at=TimeOfDay(hour=13), timezone="UTC"))
        await b.look(3 * 86400)
        assert await b.history(definition) == [("Missed", 3)]
        await b.look(3 * 86400 + 3600)
        assert await b.history(definition) == [("Missed", 3), ("Started", 1)]


async def test_one_that_asked_for_it_runs_once_late(tmp_path):
    """However many were missed."""
    async with bench(tmp_path) as b:
        at = Daily(at=TimeOfDay(hour=13), timezone="UTC")
        definition = await b.define(at, run_if_missed=True)
        await b.look(3 * 86400)
        assert sorted(await b.history(definition)) == [("Missed", 3), ("Started", 1)]
        assert len(b.fleet.starts) <= 1
        await b.look(3 * 86400 + 1)
        assert len(await b.history(definition)) == 2


async def test_a_controller_that_was_killed_in_between_starts_nothing_twice(tmp_path):
    """The job was stored, and the definition not settled: the same firing gives the same job."""
    async with bench(tmp_path) as b:
        definition = await b.define(At(time=NOON + timedelta(seconds=10)))
        b.time = NOON + timedelta(seconds=11)
        settle, kept = b.store.note, []

        async def killed(*words):
            kept.append(words)

        b.store.note = killed
        await b.look(11)
        assert kept, "the firing was to be settled"
        b.store.note = settle
        assert (await b.store.load(definition.id)).settled_until == NOON
        again = Schedule(b.engine, b.service._begin, lambda: b.time)
        await again.look()
        await until(lambda: not again._at_work, "the schedule has done what is due")
        assert await b.history(definition) == [("Started", 1)]
        assert len(await b.engine.store.jobs()) == 1


async def test_a_moment_that_is_over_keeps_nobody(tmp_path):
    """Nor does a definition that waits for start-up only, or one that is disabled."""
    async with bench(tmp_path) as b:
        await b.define(At(time=NOON + timedelta(seconds=10)))
        await b.look(11)
        await b.look(12)
        assert not b.schedule.is_needed
    async with bench(tmp_path / "other") as b:
        await b.define(AtStartup())
        await b.look(100)
        assert not b.schedule.is_needed
    async with bench(tmp_path / "third") as b:
        await b.define(Every(seconds=5), enabled=False)
        await b.look(100)
        assert not b.schedule.is_needed


async def test_a_start_that_cannot_be_is_told_in_the_history(tmp_path):
    """It is no reason to try without end."""
    async with bench(tmp_path) as b:
        definition = await b.define(Every(seconds=20))

        async def broken(_request, _firing):
            message = "no space"
            raise ValueError(message)

        b.schedule._begin = broken
        await b.look(20)
        [entry] = await b.store.history(definition.id)
        assert entry.outcome is Outcome.FAILED
        assert entry.message == "a fault of remjobs: ValueError: no space"
        await b.look(21)
        assert await b.history(definition) == [("Failed", 1)]


async def test_a_full_disk_is_waited_out(tmp_path, monkeypatch):
    """What could not be stored is due still, and starts once there is space."""
    monkeypatch.setattr("remjobs.engine.schedule._LONGEST_SLEEP", timedelta(seconds=0.05))
    async with bench(tmp_path) as b:
        definition = await b.define(Every(seconds=20))
        begin = b.schedule._begin

        async def full(_request, _firing):
            message = "the disk is full"
            raise StoreFull(message)

        b.schedule._begin = full
        await b.look(20)
        assert await b.history(definition) == []
        b.schedule._begin = begin
        await b.look(21)
        assert await b.history(definition) == [("Started", 1)]
