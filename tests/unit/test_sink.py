"""From chunks to records."""

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remjobs.engine.sink import Coalescer, Sink
from remjobs.errors import StoreError
from remjobs.model.record import Chunk, Stream

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BIG = 1 << 30
chunks = st.lists(st.tuples(st.sampled_from([Stream.OUTPUT, Stream.ERROR]), st.binary(min_size=1)))


def fed(coalescer, pieces):
    """Feed pieces of streams with the offsets that a transport would give."""
    offsets: dict[Stream, int] = {}
    for stream, data in pieces:
        at = offsets.get(stream, 0)
        coalescer.feed(Chunk(stream=stream, offset=at, data=data), NOW)
        offsets[stream] = at + len(data)


def joined(pieces, stream):
    return b"".join(piece.data for piece in pieces if piece.stream is stream)


@given(chunks, st.sets(st.integers(0, 20)))
def test_pieces_joined_equal_what_came_with_gapless_offsets(pieces, flushes):
    """However it is cut and whenever it is taken, no byte is lost, moved or doubled."""
    coalescer, out = Coalescer(7, BIG), []
    offsets: dict[Stream, int] = {}
    for index, (stream, data) in enumerate(pieces):
        at = offsets.get(stream, 0)
        coalescer.feed(Chunk(stream=stream, offset=at, data=data), NOW)
        offsets[stream] = at + len(data)
        if index in flushes:
            out += coalescer.take()
    out += coalescer.take(everything=True)
    for stream in (Stream.OUTPUT, Stream.ERROR):
        assert joined(out, stream) == b"".join(data for s, data in pieces if s is stream)
        position = 0
        for piece in (piece for piece in out if piece.stream is stream):
            assert piece.offset == position
            position += len(piece.data)


@given(st.text(min_size=1), st.lists(st.integers(1, 5), min_size=1))
def test_no_piece_ends_inside_a_character(text, sizes):
    """UTF-8 that arrives in splinters is stored in whole characters."""
    data, coalescer, out, at = text.encode(), Coalescer(1, BIG), [], 0
    while at < len(data):
        size = sizes[at % len(sizes)]
        coalescer.feed(Chunk(stream=Stream.OUTPUT, offset=at, data=data[at : at + size]), NOW)
        out += coalescer.take()
        at += size
    out += coalescer.take(everything=True)
    assert "".join(piece.data.decode() for piece in out) == text


def test_output_over_the_limit_is_counted_and_dropped():
    """The limit is one for all streams, and what was dropped is known."""
    coalescer = Coalescer(1, 5)
    fed(coalescer, [(Stream.OUTPUT, b"abc"), (Stream.ERROR, b"defg"), (Stream.OUTPUT, b"h")])
    pieces = coalescer.take(everything=True)
    assert [piece.data for piece in pieces] == [b"abc", b"de"]
    assert coalescer.dropped == 3


async def test_the_first_output_is_written_at_once():
    """A single line does not wait for more: live output is live."""
    written = asyncio.Event()

    async def append(pieces):
        assert pieces[0].data == b"hello\n"
        written.set()

    sink = Sink(Coalescer(1, BIG), append)
    await sink.accept(Chunk(stream=Stream.OUTPUT, offset=0, data=b"hello\n"))
    async with asyncio.timeout(1):
        await written.wait()
    await sink.close()


async def test_a_store_that_is_slow_holds_the_source_back():
    """While a write is stuck, accept() waits once a backlog has gathered."""
    release, stored = asyncio.Event(), []

    async def append(pieces):
        await release.wait()
        stored.extend(pieces)

    sink = Sink(Coalescer(1, BIG), append)
    block = b"x" * 512 * 1024

    async def pour():
        for index in range(8):
            chunk = Chunk(stream=Stream.OUTPUT, offset=index * len(block), data=block)
            await sink.accept(chunk)

    pouring = asyncio.create_task(pour())
    done, _ = await asyncio.wait({pouring}, timeout=0.3)
    assert not done
    release.set()
    await pouring
    await sink.close()
    assert sum(len(piece.data) for piece in stored) == 8 * len(block)


async def test_a_failed_write_reaches_the_one_who_feeds():
    """A store that breaks is not found out at the end only."""

    async def append(_pieces):
        message = "broken"
        raise StoreError(message)

    sink = Sink(Coalescer(1, BIG), append)

    async def pour():
        for index in range(1000):
            await sink.accept(Chunk(stream=Stream.OUTPUT, offset=index, data=b"x"))
            await asyncio.sleep(0)

    with pytest.raises(StoreError, match="broken"):
        await pour()
