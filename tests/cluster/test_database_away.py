"""PostgreSQL is stopped, and later killed, while three nodes answer calls: none is refused, no record is lost,
and the nodes tell the truth meanwhile. `CLUSTER_DATABASE_AWAY_S` says for how long it is away."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from books import Books, each_is_recorded_once, hour, sums_are_those_of_the_ledger
from load import Load, Outcome, told, with_outcome
from nodes import Cluster, Node, cluster, says
from servers import Postgres

SECONDS = float(os.environ.get("CLUSTER_DATABASE_AWAY_S", "15"))
NODES = 3
# Requests per minute of the limited project, and what may pass beyond.
LIMIT, TOLERANCE = 120, 1.05


async def tells(node: Node, database: str) -> None:
    """It wants calls in either case."""
    ready = await node.get("/readyz")
    assert (ready.status_code, ready.json()["database"]) == (200, database)
    assert (await node.get("/healthz")).status_code == 200


async def away(three: Cluster, load: Load, postgres: Postgres, how: signal.Signals, seconds: float) -> None:
    before = len(load.calls)
    began = time.monotonic()
    await asyncio.to_thread(postgres.stop, how)
    for node in three.nodes:
        await says(node, "kijun_database_up", 0)
        await tells(node, "unavailable")
    noticed = time.monotonic() - began
    refused = await three.nodes[0].administer("POST", "/projects", json={"name": "unheard"})
    assert (refused.status_code, refused.json()["error"]["type"]) == (503, "server_error"), refused.text
    await asyncio.sleep(max(0, seconds - noticed))
    waiting = [(await node.metrics())["kijun_journal_waiting_records"] for node in three.nodes]
    answered = with_outcome(load.calls[before:], Outcome.ANSWERED)
    await asyncio.to_thread(postgres.start)
    back = time.monotonic()
    for node in three.nodes:
        await says(node, "kijun_database_up", 1)
        await tells(node, "ok")
    print(
        f"\n{how.name}: away for {back - began:.1f} s, noticed after {noticed:.1f} s, {len(answered)} calls answered"
        f" meanwhile, {sum(waiting):.0f} records waited, all nodes had it back after"
        f" {time.monotonic() - back:.1f} s", end="",
    )
    # Records come after the first one, so some of those answered since then may be in the database.
    assert sum(waiting) > 0


@pytest.mark.anyio
async def test_no_call_is_refused_and_no_record_lost(tmp_path: Path, postgres: Postgres) -> None:
    # Without a place of their own the counters of limits are in the database, and away as well.
    async with cluster(tmp_path, NODES, postgres=postgres) as three:
        since, load = hour(), Load(three)
        _, free = await three.project("free")
        project, limited = await three.project("limited")
        limit = {"scope": "project", "subject": project, "measure": "requests_per_minute", "amount": LIMIT}
        await three.nodes[0].organization("POST", "/limits", json=limit)
        began = time.monotonic()
        load.begin("free", free, 4)
        load.begin("limited", limited, 4)
        await asyncio.sleep(2)
        await away(three, load, postgres, signal.SIGINT, SECONDS)
        await asyncio.sleep(2)
        await away(three, load, postgres, signal.SIGKILL, 5)
        await asyncio.sleep(2)
        await load.end()
        minutes = (time.monotonic() - began) / 60
        ended = time.monotonic()
        await three.recorded()
        print(f"\n{told(load.calls)}; all recorded after {time.monotonic() - ended:.1f} s", end="")
        unanswered = with_outcome(load.calls, Outcome.REFUSED) + with_outcome(load.calls, Outcome.BROKEN)
        assert not unanswered, f"{len(unanswered)} not answered: {unanswered[:5]}"
        admitted = three.upstream.of("limited")
        print(f"; limit: {admitted} admitted, {LIMIT * (1 + minutes):.0f} allowed")
        # All shares together are the whole.
        assert admitted <= TOLERANCE * LIMIT * (1 + minutes)
        assert with_outcome(load.of("limited"), Outcome.LIMITED), "the load does not reach the limit"
        books = await Books.of(three.nodes[0], since)
        each_is_recorded_once(books.records, load.calls, three.upstream)
        sums_are_those_of_the_ledger(books)
        assert books.cost == three.upstream.cost(set(three.upstream.calls))
