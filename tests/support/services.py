"""A JobService both ways over hosts in memory: the engine's own, and through the socket."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass

from support.engines import until

from remjobs.api import Jobs
from remjobs.controller import lifecycle
from remjobs.controller.app import Host, create_app
from remjobs.controller.client import ControllerClient
from remjobs.controller.paths import Paths
from remjobs.controller.server import _server
from remjobs.engine.engine import Engine
from remjobs.model.record import Record
from remjobs.model.request import ReceiveOptions
from remjobs.testing import MemoryTransport, memory_engine


@dataclass
class Lab:
    """Hosts in memory, the engine over them, and jobs by way of a JobService."""

    fleet: MemoryTransport
    engine: Engine
    jobs: Jobs

    async def start(self, *hosts, **more):
        """Start work on these hosts, attached unless it is said."""
        named = [self.fleet.host(host) for host in hosts]
        return await self.jobs.start("work", on=named, **{"durable": False, **more})

    def open_gates(self):
        """Let everything end."""
        for host in self.fleet._hosts.values():
            for gate in (host.gate, host.stop_gate, host.connect_gate):
                if gate is not None:
                    gate.set()

    async def child(self, child_id):
        """Return a child as it is now."""
        [child] = await self.jobs.get(child_id)
        return child

    async def becomes(self, child_id, state, timeout=10):
        """Wait until a child is in a state."""
        async with asyncio.timeout(timeout):
            while (await self.child(child_id)).state is not state:
                await asyncio.sleep(0.01)

    async def begun(self, count):
        """Wait until work was sent so many times."""
        await until(lambda: len(self.fleet.starts) >= count, f"{count} have begun")

    async def received(self, *selectors, **options):
        """Receive; return the data, and the hosts whose failures were told."""
        chosen = ReceiveOptions(**options)
        events = [event async for event in self.jobs.receive(*selectors, options=chosen)]
        data = [event.data for event in events if isinstance(event, Record)]
        return b"".join(data), [e.host for e in events if not isinstance(e, Record)]


@asynccontextmanager
async def engine_lab(folder):
    """Ask the engine's service itself."""
    fleet = MemoryTransport()
    async with memory_engine(folder, fleet) as (engine, service), service.schedule.followed():
        yield Lab(fleet, engine, Jobs(service))


@asynccontextmanager
async def client_lab(folder):
    """Ask through the controller's client: real HTTP on a real Unix socket."""
    fleet = MemoryTransport()
    paths = Paths(folder)
    lock = lifecycle.take_lock(paths)
    async with memory_engine(folder, fleet) as (engine, service), service.schedule.followed():
        host = Host(status=dict, leave=lambda: None, bound=lambda: ())
        server = _server(create_app(service, host))
        listener = lifecycle._listen(paths.socket)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield Lab(fleet, engine, Jobs(ControllerClient(paths)))
        finally:
            server.should_exit = True
            await serving
            listener.close()
    shutil.rmtree(paths.runtime)
    os.close(lock)


LABS = {"engine": engine_lab, "client": client_lab}


def counted(job):
    """Return how many children are in which state."""
    return Counter(child.state for child in job.children)
