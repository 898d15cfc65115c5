"""Fixtures of the contract suites."""

from __future__ import annotations

import pytest
from support.services import LABS


@pytest.fixture(params=LABS)
async def lab(request, tmp_path):
    """Each JobService in turn, over hosts in memory; no work is left waiting."""
    async with LABS[request.param](tmp_path / "home") as opened:
        yield opened
        opened.open_gates()
