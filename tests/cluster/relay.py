"""A node's own way to a server that nodes share: one node can be cut off, and the others not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum

from pipe import Connection, listening, pipe


class Way(Enum):
    OPEN = "open"
    # Connections break, and new ones break at once.
    BROKEN = "broken"
    # Connections stay, and nothing comes through, as with a cable that was pulled.
    SILENT = "silent"


class Relay:
    """Carries bytes between a free port of this machine and another one."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.way = Way.OPEN
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.open: set[Connection] = set()

    def cut(self, way: Way) -> None:
        self.way = way
        if way is Way.SILENT:
            self.flowing.clear()
        else:
            for connection in self.open:
                connection.writer.transport.abort()

    def mend(self) -> None:
        self.way = Way.OPEN
        self.flowing.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        near = Connection(reader, writer)
        self.open.add(near)
        try:
            await self.flowing.wait()
            if self.way is Way.OPEN:
                await pipe(near, await Connection.to(self.target), self.flowing)
        except OSError:
            pass
        finally:
            self.open.discard(near)
            writer.transport.abort()


@asynccontextmanager
async def relay(target: int) -> AsyncIterator[Relay]:
    made = Relay(target)
    async with listening(made.serve) as made.port:
        try:
            yield made
        finally:
            made.cut(Way.BROKEN)
            made.flowing.set()
