"""The engine's DefinitionService: definitions by name, and starting them by hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

from remjobs.engine.engine import Engine
from remjobs.engine.schedule import Begin, Schedule
from remjobs.engine.times import check, next_time
from remjobs.errors import NoSuchDefinition, NoSuchJob, UsageError
from remjobs.model.definition import (
    DefineRequest,
    Definition,
    DefinitionName,
    DefinitionStart,
    HistoryEntry,
    Outcome,
    definition_of,
)
from remjobs.model.job import Job
from remjobs.model.request import StartRequest
from remjobs.model.state import JobState
from remjobs.store.definitions import Firing, StoredDefinition

__all__ = ["EngineDefinitions"]


class EngineDefinitions:
    """Answers for the definitions of an engine's store."""

    def __init__(
        self,
        engine: Engine,
        plan: Callable[[StartRequest], Awaitable[object]],
        begin: Begin,
        schedule: Schedule,
    ) -> None:
        """Answer for what an engine's store keeps.

        Args:
            engine: Where the jobs live.
            plan: Refuses a start that cannot work.
            begin: Starts an instance.
            schedule: Is told what changes.
        """
        self._plan = plan
        self._engine = engine
        self._store = engine.store.definitions
        self._begin = begin
        self._schedule = schedule

    async def add(self, request: DefineRequest) -> Definition:
        """Save a definition, refusing triggers that never fire and work that cannot start."""
        now = datetime.now(UTC)
        check(request.triggers, now)
        await self._plan(request.start)
        stored = await self._store.add(definition_of(request, now), request.start)
        self._schedule.changed()
        return await self._shown(stored)

    async def list(self, name: DefinitionName | None = None) -> tuple[Definition, ...]:
        """Return all definitions, or the one that is named."""
        found = await self._store.all() if name is None else [await self._find(name)]
        return tuple([await self._shown(stored) for stored in found])

    async def history(self, name: DefinitionName) -> tuple[HistoryEntry, ...]:
        """Return what became of its firings, oldest first."""
        definition = (await self._find(name)).definition
        entries = await self._store.history(definition.id)
        return tuple([await self._with_state(entry) for entry in entries])

    async def enable(self, name: DefinitionName, *, enabled: bool) -> Definition:
        """Let its triggers fire, or not."""
        definition = (await self._find(name)).definition
        await self._store.enable(definition.id, enabled=enabled, now=datetime.now(UTC))
        self._schedule.changed()
        return await self._shown(await self._store.load(definition.id))

    async def remove(self, name: DefinitionName) -> Definition:
        """Forget it and its history; its jobs stay."""
        stored = await self._find(name)
        await self._store.remove(stored.definition.id)
        self._schedule.changed()
        return stored.definition

    async def start(self, request: DefinitionStart) -> Job:
        """Start an instance now, whatever triggers and policy say."""
        definition = (await self._find(request.definition)).definition
        start = await self._store.start_request(definition.id)
        entry = HistoryEntry(
            instance_id=request.instance_id,
            due=datetime.now(UTC),
            outcome=Outcome.STARTED,
            message="by hand",
        )
        instance = replace(
            start,
            instance_id=request.instance_id,
            name=start.name or definition.name,
            # Paths are the definition's; an agent is that of whoever asks now.
            caller=replace(request.caller, directory=start.caller.directory),
        )
        return await self._begin(instance, Firing(definition=definition, entry=entry))

    async def _find(self, name: DefinitionName) -> StoredDefinition:
        """Return the one that is meant.

        Raises:
            NoSuchDefinition: There is none.
            UsageError: There are several.
        """
        wanted = name.name.casefold()
        named = [s for s in await self._store.all() if s.definition.name.casefold() == wanted]
        found = [s for s in named if name.is_under(s.definition.path)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(s.definition.full_name for s in found)
            msg = f"{len(found)} definitions have the name {name.name!r}: {names}; say which"
            raise UsageError(msg)
        where = "" if name.path is None else f" under {name.path}"
        others = ", ".join(s.definition.full_name for s in named)
        hint = f"; there is {others}" if others else "; `remjobs definition list` shows them"
        msg = f"no definition {name.name!r}{where}{hint}"
        raise NoSuchDefinition(msg)

    async def _shown(self, stored: StoredDefinition) -> Definition:
        definition = stored.definition
        history = await self._store.history(definition.id)
        after = max(stored.settled_until, datetime.now(UTC))
        return replace(
            definition,
            next_time=next_time(definition, after) if definition.enabled else None,
            last=await self._with_state(history[-1]) if history else None,
        )

    async def _with_state(self, entry: HistoryEntry) -> HistoryEntry:
        return replace(entry, state=await self._state(entry.job_id))

    async def _state(self, job_id: int | None) -> JobState | None:
        try:
            return None if job_id is None else await self._engine.state(job_id)
        except NoSuchJob:
            return None
