"""Nodes of the real binary, each with its own data directory, and its own ways to what they share."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from kijun import ADMIN_KEY, API_KEY, binary
from processes import free_port
from relay import Relay, relay
from round_robin import RoundRobin, round_robin
from servers import Postgres
from upstream import INPUT, OUTPUT, Upstream, upstream

# The same for all nodes of a database; any 32 bytes do.
MASTER_KEY = "A" * 43 + "="
SECONDS = 60
MODEL = "m"
CONFIG = f"""
[discovery]
environment = false
local_servers = false

[gateway.retry]
max_attempts = 1

[[providers]]
name = "counting"
kind = "openai"
base_url = "{{base_url}}"
api_key = "sk-anything"

[[models]]
name = "{MODEL}"
targets = [{{{{ provider = "counting", model = "m" }}}}]

[[prices]]
provider = "counting"
model = "*"
effective_from = "2020-01-01"
input = "{INPUT}"
output = "{OUTPUT}"
source = "this test"
read_on = "2020-01-01"
"""


@dataclass
class Node:
    """One process, which may be another one after a while."""

    name: str
    folder: Path
    environment: dict[str, str]
    port: int = field(default_factory=free_port)
    postgres: Relay | None = None
    counters: Relay | None = None
    process: subprocess.Popen | None = None

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    async def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [binary(), "serve", "--config", self.folder / "kijun.toml",
                 "--data-dir", self.folder / "data", "--listen", f"127.0.0.1:{self.port}"],
                stdout=log, stderr=log, env={**os.environ, **self.environment},
            )
        await eventually(f"{self.name} answers", self.answers)

    async def answers(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} has ended:\n{self.log[-4000:]}")
        try:
            return (await self.get("/readyz")).status_code == 200
        except httpx2.HTTPError:
            return False

    def send(self, what: signal.Signals) -> None:
        self.process.send_signal(what)

    async def end(self) -> None:
        """As an operator does."""
        self.send(signal.SIGCONT)
        self.process.terminate()
        try:
            await asyncio.to_thread(self.process.wait, 40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    async def get(self, path: str) -> httpx2.Response:
        async with httpx2.AsyncClient(timeout=5) as client:
            return await client.get(f"http://127.0.0.1:{self.port}{path}")

    async def metrics(self) -> dict[str, float]:
        """Those without labels by their name, and others as `name/value-of-the-label`."""
        answer = (await self.get("/metrics")).raise_for_status()
        return {
            "/".join([sample.name, *sample.labels.values()]): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    async def organization(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """What the administration answers."""
        answer = await self.administer(method, path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def administer(self, method: str, path: str, **more: Any) -> httpx2.Response:
        headers = {"authorization": f"Bearer {ADMIN_KEY}"}
        url = f"http://127.0.0.1:{self.port}/v1/organization{path}"
        async with httpx2.AsyncClient(timeout=60) as client:
            return await client.request(method, url, headers=headers, **more)


@dataclass
class Cluster:
    """Nodes behind a balancer, and the upstream behind them."""

    nodes: list[Node]
    balancer: RoundRobin
    upstream: Upstream

    async def project(self, name: str, at: int = 0) -> tuple[str, str]:
        """A new project, and an API key of it that every node knows."""
        ask = self.nodes[at].organization
        project = (await ask("POST", "/projects", json={"name": name}))["id"]
        made = await ask("POST", f"/projects/{project}/api_keys", json={"name": name})
        key = made["value"]

        async def known() -> bool:
            return all([await knows(node, key) for node in self.nodes])

        await eventually("every node knows the key", known)
        return project, key

    async def recorded(self) -> None:
        """Waits until no record of a call is on its way to the database."""

        for node in self.nodes:
            await says(node, "kijun_journal_waiting_records", 0)


async def knows(node: Node, key: str) -> bool:
    async with httpx2.AsyncClient(timeout=5) as client:
        headers = {"authorization": f"Bearer {key}"}
        answer = await client.get(f"http://127.0.0.1:{node.port}/v1/models", headers=headers)
        return answer.status_code == 200


async def eventually(what: str, holds: Callable[[], Awaitable[bool]], seconds: float = SECONDS) -> float:
    """Waits for a state, and says for how many seconds."""
    began = time.monotonic()
    while not await holds():
        assert time.monotonic() < began + seconds, f"not after {seconds} s: {what}"
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def says(node: Node, metric: str, value: float) -> None:
    """Waits until a node tells this of itself."""
    told = None

    async def does() -> bool:
        nonlocal told
        told = (await node.metrics())[metric]
        return told == value

    try:
        await eventually(f"{node.name} says {metric} {value:g}", does)
    except AssertionError as error:
        raise AssertionError(f"{error}, but {told:g}") from None


@asynccontextmanager
async def cluster(
    folder: Path, count: int, *, postgres: Postgres | None = None, counters: int | None = None, config: str = ""
) -> AsyncIterator[Cluster]:
    """Nodes on one PostgreSQL, and on one Valkey where its port is given; without either, one on SQLite."""
    async with AsyncExitStack() as stack:
        counts = await stack.enter_async_context(upstream())
        nodes = []
        for number in range(1, count + 1):
            home = folder / f"node-{number}"
            home.mkdir(exist_ok=True)
            (home / "kijun.toml").write_text(CONFIG.format(base_url=counts.base_url) + config)
            environment = {
                "KIJUN_BOOTSTRAP_API_KEY": API_KEY,
                "KIJUN_BOOTSTRAP_ADMIN_KEY": ADMIN_KEY,
                "KIJUN_MASTER_KEY": MASTER_KEY,
                "KIJUN_COUNTERS_EXPECTED_NODES": str(count),
            }
            node = Node(f"node {number}", home, environment)
            if postgres:
                node.postgres = await stack.enter_async_context(relay(postgres.port))
                environment["KIJUN_STORE_URL"] = Postgres.url_at(node.postgres.port)
            if counters:
                node.counters = await stack.enter_async_context(relay(counters))
                environment["KIJUN_COUNTERS_PLACE"] = f"redis://127.0.0.1:{node.counters.port}/0"
            nodes.append(node)
        # The first one makes the tables.
        for node in nodes:
            await node.start()
            stack.push_async_callback(node.end)
        balancer = await stack.enter_async_context(round_robin([node.port for node in nodes]))
        yield Cluster(nodes, balancer, counts)
