"""Clients that call without a pause, by the official SDK, and remember what became of every call."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import httpx2
import openai
from openai import AsyncOpenAI

from nodes import MODEL, Cluster
from upstream import MAX_TOKENS, PROMPT

MESSAGES = [{"role": "user", "content": PROMPT}]
# Between two calls of a client, and after one that was refused.
PAUSE, PATIENCE = 0.02, 0.1


class Outcome(Enum):
    # A whole answer came.
    ANSWERED = "answered"
    # 429: a rate limit.
    LIMITED = "limited"
    # 429: a budget.
    SPENT = "spent"
    # Kijun gave an error.
    REFUSED = "refused"
    # The connection broke before the answer was whole.
    BROKEN = "broken"


@dataclass(frozen=True)
class Call:
    user: str
    outcome: Outcome
    # When it was over.
    at: float
    # What an answer or a refusal tells: not so one that broke.
    id: str = ""
    node: int | None = None
    tokens: tuple[int, int] = (0, 0)
    problem: str = ""


class Load:
    """Each group of clients has a key. Half of them keep their connections, half make one for each call, and
    every other call is streamed."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.calls: list[Call] = []
        self.numbers = itertools.count()
        self.groups: dict[str, list[asyncio.Task[None]]] = {}

    def begin(self, group: str, key: str, clients: int) -> None:
        self.groups[group] = [
            asyncio.create_task(self.client(group, key, keeps=at % 2 == 0)) for at in range(clients)
        ]

    async def end(self, *groups: str) -> None:
        """Lets the calls under way come to their end."""
        for group in groups or list(self.groups):
            tasks = self.groups.pop(group)
            await asyncio.gather(*tasks)

    async def client(self, group: str, key: str, *, keeps: bool) -> None:
        http = httpx2.AsyncClient(
            limits=httpx2.Limits(max_keepalive_connections=1 if keeps else 0),
            timeout=60,
            # There is no TLS here: without this, each client would read the system's certificates.
            verify=False,
            trust_env=False,
            event_hooks={"response": [self.remember_the_node]},
        )
        async with AsyncOpenAI(
            api_key=key, base_url=self.cluster.balancer.base_url, max_retries=0, http_client=http
        ) as client:
            while group in self.groups:
                call = await self.call(client, f"{group}-{next(self.numbers)}")
                self.calls.append(call)
                await asyncio.sleep(PAUSE if call.outcome is Outcome.ANSWERED else PATIENCE)

    async def call(self, client: AsyncOpenAI, user: str) -> Call:
        streamed = int(user.rpartition("-")[2]) % 2 == 0
        try:
            if streamed:
                stream = await client.chat.completions.create(
                    model=MODEL, messages=MESSAGES, user=user, max_tokens=MAX_TOKENS,
                    stream=True, stream_options={"include_usage": True},
                )
                response, usage = stream.response, None
                async for piece in stream:
                    usage = piece.usage or usage
                if usage is None:
                    return Call(user, Outcome.BROKEN, time.monotonic(), problem="the stream has no end")
            else:
                raw = await client.chat.completions.with_raw_response.create(
                    model=MODEL, messages=MESSAGES, user=user, max_tokens=MAX_TOKENS
                )
                response, usage = raw.http_response, raw.parse().usage
        except openai.APIStatusError as error:
            outcome = Outcome.REFUSED
            if error.status_code == 429:
                outcome = Outcome.SPENT if error.code == "insufficient_quota" else Outcome.LIMITED
            return Call(
                user, outcome, time.monotonic(), error.request_id or "",
                error.response.extensions["node"],
                problem=f"{error.status_code} {error.code}",
            )
        except (openai.APIError, httpx2.HTTPError) as error:
            return Call(user, Outcome.BROKEN, time.monotonic(), problem=f"{error!r} by {error.__cause__!r}")
        tokens = (usage.prompt_tokens, usage.completion_tokens)
        return Call(
            user, Outcome.ANSWERED, time.monotonic(), response.headers["x-request-id"],
            response.extensions["node"], tokens,
        )

    async def remember_the_node(self, response: httpx2.Response) -> None:
        """While the connection is there: it may be closed once the answer was read."""
        stream = response.extensions["network_stream"]
        port = stream.get_extra_info("client_addr")[1]
        response.extensions["node"] = self.cluster.balancer.node_of[port]

    def of(self, group: str) -> list[Call]:
        return [call for call in self.calls if call.user.startswith(f"{group}-")]


def with_outcome(calls: Iterable[Call], outcome: Outcome) -> list[Call]:
    return [call for call in calls if call.outcome is outcome]


def told(calls: Iterable[Call]) -> str:
    """What became of them, in a line."""
    counts = Counter(call.outcome.value for call in calls)
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
