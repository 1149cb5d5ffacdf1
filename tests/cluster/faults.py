"""What may happen to one node while the others live."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from nodes import Node, eventually, says
from relay import Way


@dataclass(frozen=True)
class Fault:
    """It lasts as long as the block of `on`, and is over for good at its end."""

    name: str
    on: Callable[[Node], AbstractAsyncContextManager[None]]
    # Connections to the node end with it.
    breaks_connections: bool = False
    # The node may shed calls when it sees by how much its timers are late.
    may_shed: bool = False
    # The node counts limits by its own share.
    counts_alone: bool = False


def each(database: Way, counters: Way) -> list[Fault]:
    """Every fault, with these ways of being cut off."""
    return [
        Fault("killed", killed, breaks_connections=True),
        Fault("paused", paused, may_shed=True),
        Fault(f"without database, {database.value}", partial(without_database, way=database)),
        Fault(
            f"without counters, {counters.value}", partial(without_counters, way=counters), counts_alone=True
        ),
    ]


@asynccontextmanager
async def killed(node: Node) -> AsyncIterator[None]:
    """The process is gone at once, and starts again with what is on its disk."""
    node.send(signal.SIGKILL)
    await asyncio.to_thread(node.process.wait)
    yield
    await node.start()


@asynccontextmanager
async def paused(node: Node) -> AsyncIterator[None]:
    """The process stands still, its connections stay open, and it knows nothing of it afterwards."""
    node.send(signal.SIGSTOP)
    yield
    node.send(signal.SIGCONT)
    await eventually(f"{node.name} answers", node.answers)


@asynccontextmanager
async def without_database(node: Node, way: Way) -> AsyncIterator[None]:
    node.postgres.cut(way)
    await says(node, "kijun_database_up", 0)
    # Calls need no database: the node wants more of them.
    ready = await node.get("/readyz")
    assert (ready.status_code, ready.json()["database"]) == (200, "unavailable")
    yield
    node.postgres.mend()
    await says(node, "kijun_database_up", 1)


@asynccontextmanager
async def without_counters(node: Node, way: Way) -> AsyncIterator[None]:
    node.counters.cut(way)
    await says(node, "kijun_shared_limits_up", 0)
    yield
    node.counters.mend()
    await says(node, "kijun_shared_limits_up", 1)
