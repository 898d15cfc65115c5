"""The SQL store when the disk is full, damaged, of another version, or on a network."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from support.disk import fill

from remjobs.errors import StoreDamaged, StoreError, StoreFull
from remjobs.model.history import Asker, HistoryQuery
from remjobs.model.host import Host
from remjobs.model.job import JobType
from remjobs.model.record import Stream
from remjobs.model.request import Caller
from remjobs.model.state import JobState
from remjobs.model.wire import dumps
from remjobs.model.work import Command, Work
from remjobs.store.base import NewJob, Piece
from remjobs.store.database import Database
from remjobs.store.filesystem import refuse_network_folder
from remjobs.store.migrate import migrate
from remjobs.store.sql import SqlStore

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def new_job():
    return NewJob(
        instance_id=uuid4(),
        name=None,
        type=JobType.REMOTE,
        location="h",
        throttle_limit=1,
        work=Work(command=Command(text="x")),
        caller=Caller(),
        hosts=(Host(name="h"),),
    )


def piece(data, offset):
    return Piece(child_id=2, stream=Stream.OUTPUT, offset=offset, time=NOW, data=data)


async def test_a_full_disk_loses_nothing_and_goes_on_once_there_is_space(small_disk):
    """New jobs are refused at once; output and final states wait, and are then all there."""
    store = await SqlStore.open(small_disk / "state")
    child = (await store.add(new_job()))[0].entries[0].child
    ballast = small_disk / "ballast"
    fill(ballast)
    block = 100_000
    appends = [
        asyncio.create_task(store.append(1, [piece(b"y" * block, n * block)])) for n in range(5)
    ]
    ending = asyncio.create_task(store.save([replace(child, state=JobState.COMPLETED)]))
    async with asyncio.timeout(10):
        while store.trouble is None:
            await asyncio.sleep(0.01)
    assert "no space left" in store.trouble
    with pytest.raises(StoreFull, match="free some"):
        await store.add(new_job())
    assert not any(task.done() for task in [*appends])
    ballast.unlink()
    async with asyncio.timeout(20):
        await asyncio.gather(*appends, ending)
    assert store.trouble is None
    assert sum(len(r.data) for r in await store.read(1)) == 5 * block
    assert (await store.job(1)).state is JobState.COMPLETED
    await store.close()


@pytest.mark.parametrize("damage", [b"this is no database at all" * 100, b"SQLite format 3\0" * 90])
async def test_a_damaged_store_is_refused_and_left_as_it_is(tmp_path, damage):
    """It is named, with what to do, and not silently replaced."""
    state = tmp_path / "state"
    await (await SqlStore.open(state)).close()
    catalog = state / "catalog.db"
    catalog.write_bytes(damage)
    with pytest.raises(StoreDamaged, match=rf"damaged: {catalog}.*move .* aside"):
        await SqlStore.open(state)
    assert catalog.read_bytes() == damage


async def test_a_store_of_a_newer_version_is_refused(tmp_path):
    """An old program does not write into what it does not know."""
    await (await SqlStore.open(tmp_path)).close()
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StoreDamaged, match="newer remjobs"):
        await SqlStore.open(tmp_path)


async def test_a_place_that_cannot_be_written_is_named(tmp_path):
    """A file where the folder should be is one clear line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        await SqlStore.open(tmp_path / "file" / "state")


def test_a_network_file_system_is_refused(tmp_path):
    """WAL and locks need a local disk; the innermost mount decides."""
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/sda / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0\n")
    with pytest.raises(StoreError, match="is on nfs4: set REMJOBS_HOME"):
        refuse_network_folder(Path("/home/u/.local/state"), mounts)
    refuse_network_folder(Path("/var/lib"), mounts)


async def test_output_of_jobs_that_are_gone_is_swept(tmp_path):
    """A removal that was cut short is finished at the next start."""
    await (await SqlStore.open(tmp_path)).close()
    stray = tmp_path / "output" / "77.db"
    stray.write_bytes(b"")
    await (await SqlStore.open(tmp_path)).close()
    assert not stray.exists()


WRITER = """
import asyncio, sys
from pathlib import Path
sys.path[:0] = [{here!r}]
from test_store_faults import *

async def main():
    store = await SqlStore.open(Path(sys.argv[1]))
    child = (await store.add(new_job()))[0].entries[0].child
    print("job", child.parent_id, flush=True)
    offset = 0
    for number in range(100000):
        data = b"%08d" % number
        one = Piece(
            child_id=child.id, stream=Stream.OUTPUT, offset=offset, time=NOW, data=data
        )
        await store.append(child.parent_id, [one])
        offset += len(data)
        print("stored", number, flush=True)
        if number == 20:
            await store.save([replace(child, state=JobState.COMPLETED)])
            print("final", flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("after", [1, 7, 25, 60, 111])
async def test_a_kill_at_any_moment_loses_no_acknowledged_record(tmp_path, after):
    """What was answered before SIGKILL is there afterwards, in order and whole."""
    state = tmp_path / "state"
    code = WRITER.format(here=str(Path(__file__).parent))
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(state)],
        stdout=subprocess.PIPE,
        text=True,
    )
    acknowledged, final = -1, False
    assert writer.stdout is not None
    for line in writer.stdout:
        if line.startswith("stored"):
            acknowledged = int(line.split()[1])
        final = final or line.startswith("final")
        if acknowledged >= after:
            writer.send_signal(signal.SIGKILL)
            break
    writer.wait()
    writer.stdout.close()
    store = await SqlStore.open(state)
    found: list = []
    while page := await store.read(1, after=found[-1].seq if found else 0):
        found += page
    numbers = [int(record.data) for record in found]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > acknowledged
    if final:
        assert (await store.job(1)).state is JobState.COMPLETED
    await store.close()


async def test_a_store_of_an_older_version_is_brought_up_to_date(tmp_path, monkeypatch):
    """Its jobs are all there, and what is new has its first value."""
    monkeypatch.setattr("remjobs.store.migrate.HEAD", "0001")
    catalog = Database(tmp_path / "catalog.db")
    with catalog.write() as connection:
        migrate(connection)
        connection.exec_driver_sql(
            "INSERT INTO jobs VALUES (1, 'a0000000-0000-4000-8000-000000000001', 'old',"
            " 'RemoteJob', 'true', 'h1', 32, 'none', '', '[]', '{}')",
        )
        work = dumps(Work(command=Command(text="true")))
        connection.exec_driver_sql("INSERT INTO works VALUES (1, ?)", (work,))
        connection.exec_driver_sql(
            "INSERT INTO children VALUES (2, 1, 'a0000000-0000-4000-8000-000000000002',"
            " 'a0000000-0000-4000-8000-000000000003', 'h1', 'ssh', '{\"name\": \"h1\"}', 'Running',"
            " NULL, NULL, '', NULL, NULL, 1, 1.0, NULL, 1, 0, '{}', NULL)",
        )
    catalog.close()
    monkeypatch.undo()
    store = await SqlStore.open(tmp_path)
    [entry] = (await store.load(1)).entries
    assert (entry.child.state, entry.child.sought_until) == (JobState.RUNNING, None)
    assert not entry.acknowledged
    await store.acknowledge(entry.child)
    [told] = await store.history(HistoryQuery())
    assert (told.id, told.name, told.location, told.submit_time) == (1, "old", "h1", None)
    assert (told.state, told.asker) == (JobState.RUNNING, Asker())
    await store.close()
