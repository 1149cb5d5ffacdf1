"""What the tests of a cluster share: the servers, and asyncio."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import servers


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def postgres() -> Iterator[servers.Postgres]:
    with servers.postgres() as running:
        yield running


@pytest.fixture
def counters(tmp_path: Path) -> Iterator[int]:
    with servers.valkey(tmp_path) as port:
        yield port
