"""Takes connections, and carries bytes between two until one of them is over."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    """The port at which every connection is served."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@dataclass(frozen=True)
class Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @staticmethod
    async def to(port: int) -> "Connection":
        return Connection(*await asyncio.open_connection("127.0.0.1", port))


async def pipe(one: Connection, other: Connection, flowing: asyncio.Event | None = None) -> None:
    """While `flowing` is not set, nothing comes through. Both are closed at the end."""
    ways = [
        asyncio.create_task(carry(one.reader, other.writer, flowing)),
        asyncio.create_task(carry(other.reader, one.writer, flowing)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        # What was written is still sent.
        one.writer.close()
        other.writer.close()


async def carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event | None
) -> None:
    try:
        while piece := await reader.read(65_536):
            if flowing:
                await flowing.wait()
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        pass
