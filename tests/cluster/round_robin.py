"""A load balancer of connections: each goes to the next node in turn. A node that does not take it is passed
over; once bytes went out nothing is tried again, so a client sees what became of its call."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from pipe import Connection, listening, pipe


class RoundRobin:
    def __init__(self, ports: Sequence[int]) -> None:
        self.ports = ports
        self.port = 0
        self.turns = itertools.count()
        # Which node has the connection from this port of a client.
        self.node_of: dict[int, int] = {}
        # Connections to each node: those open now, and all that there ever were.
        self.open: Counter[int] = Counter()
        self.taken: Counter[int] = Counter()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = next(self.turns)
        for at in ((first + more) % len(self.ports) for more in range(len(self.ports))):
            self.open[at] += 1
            try:
                try:
                    node = await Connection.to(self.ports[at])
                except OSError:
                    continue
                self.taken[at] += 1
                self.node_of[writer.get_extra_info("peername")[1]] = at
                return await pipe(Connection(reader, writer), node)
            finally:
                self.open[at] -= 1
        writer.close()


@asynccontextmanager
async def round_robin(ports: Sequence[int]) -> AsyncIterator[RoundRobin]:
    made = RoundRobin(ports)
    async with listening(made.serve) as made.port:
        yield made
