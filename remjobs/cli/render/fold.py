"""Folded output: hosts that sent the same are shown once."""

from __future__ import annotations

from collections import defaultdict

from remjobs.cli.render.text import escape
from remjobs.model.ranges import fold
from remjobs.model.record import Record, Stream

__all__ = ["Folder"]


class Folder:
    """Gathers each host's output and groups the hosts whose output is the same."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._pieces: defaultdict[str, defaultdict[Stream, bytearray]] = defaultdict(
            lambda: defaultdict(bytearray),
        )

    def record(self, record: Record) -> None:
        """Take a record."""
        self._pieces[record.host][record.stream] += record.data

    def groups(self) -> list[tuple[list[str], dict[Stream, bytes]]]:
        """Return hosts with their common output, the largest group first."""
        same: defaultdict[tuple[tuple[Stream, bytes], ...], list[str]] = defaultdict(list)
        for host, streams in self._pieces.items():
            key = tuple(sorted((stream, bytes(data)) for stream, data in streams.items()))
            same[key].append(host)
        return [
            (hosts, dict(streams))
            for streams, hosts in sorted(same.items(), key=lambda item: -len(item[1]))
        ]

    def text(self, *, escaped: bool) -> str:
        """Return all groups, each under its hosts."""
        return "\n".join(
            _group(hosts, streams, escaped=escaped) for hosts, streams in self.groups()
        )


def _group(hosts: list[str], streams: dict[Stream, bytes], *, escaped: bool) -> str:
    many = f" ({len(hosts)})" if len(hosts) > 1 else ""
    lines = [f"---- {fold(hosts)}{many} ----"]
    for stream, data in streams.items():
        label = "" if stream is Stream.OUTPUT else f"{stream.value}: "
        text = data.decode("utf-8", "replace").removesuffix("\n").split("\n")
        lines += [label + (escape(line) if escaped else line) for line in text]
    return "\n".join(lines) + "\n"
