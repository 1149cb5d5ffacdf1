"""An upstream that counts: every call that reaches it, with its tokens and when it came.

A call's `user` is its name, and no two calls of a test have the same one."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

# Dollars for a million tokens.
INPUT, OUTPUT = Decimal("10"), Decimal("40")
# What a call asks for, and what it gets of it at most: no call costs more than what Kijun thought before.
PROMPT = "word " * 200
MAX_TOKENS = 200
PIECES = 5

CONTENT_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Used:
    """Tokens of one call."""

    input: int
    output: int

    @property
    def cost(self) -> Decimal:
        return (self.input * INPUT + self.output * OUTPUT) / 1_000_000


@dataclass
class Upstream:
    """What was counted, and where it is asked."""

    calls: dict[str, list[Used]] = field(default_factory=dict)
    base_url: str = ""

    def of(self, group: str) -> int:
        """How many calls came of a group of clients."""
        return sum(len(used) for user, used in self.calls.items() if user.startswith(f"{group}-"))

    def cost(self, users: set[str]) -> Decimal:
        return sum((used.cost for user in users for used in self.calls.get(user, [])), Decimal(0))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = CONTENT_LENGTH.search(head)
                body = await reader.readexactly(int(length[1])) if length else b""
                if head.startswith(b"GET"):
                    writer.write(whole({"object": "list", "data": []}))
                else:
                    await self.answer(json.loads(body), writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, asked: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        user = asked["user"]
        number = int(user.rpartition("-")[2])
        # No two calls are alike, so that no two mistakes make up for each other.
        used = Used(input=100 + number % 97, output=100 + number % 101)
        self.calls.setdefault(user, []).append(used)
        seconds = 0.02 + number % 13 / 100
        if not asked.get("stream"):
            await asyncio.sleep(seconds)
            message = {"role": "assistant", "content": "Hello"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            head = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
            writer.write(whole({**head, "choices": [choice], "usage": usage(used)}))
            return
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        for at in range(PIECES):
            await asyncio.sleep(seconds / PIECES)
            delta = {"role": "assistant", "content": f"{at} "}
            reason = "stop" if at == PIECES - 1 else None
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            writer.write(event({**head, "choices": [choice]}))
            await writer.drain()
        writer.write(event({**head, "choices": [], "usage": usage(used)}))
        writer.write(chunk(b"data: [DONE]\n\n") + chunk(b""))


@asynccontextmanager
async def upstream() -> AsyncIterator[Upstream]:
    counts = Upstream()
    server = await asyncio.start_server(counts.serve, "127.0.0.1", 0)
    counts.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield counts
    finally:
        server.close()


def whole(body: dict[str, Any]) -> bytes:
    text = json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n"
    return head.encode() + text


def chunk(text: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(text), text)


def event(body: dict[str, Any]) -> bytes:
    return chunk(b"data: " + json.dumps(body).encode() + b"\n\n")


def usage(used: Used) -> dict[str, int]:
    return {
        "prompt_tokens": used.input,
        "completion_tokens": used.output,
        "total_tokens": used.input + used.output,
    }
