"""Three nodes on one PostgreSQL and one Valkey behind a balancer. Each is killed, paused, and cut off in turn,
under load: no answer is lost from the books, no limit is exceeded by more than is stated, no budget at all, and
the nodes that live refuse nothing."""

import asyncio
import time
from decimal import Decimal
from pathlib import Path

import pytest

import faults
from books import Books, each_is_recorded_once, hour, ledger, spent, sums_are_those_of_the_ledger
from faults import Fault
from load import Call, Load, Outcome, told, with_outcome
from nodes import Cluster, Node, cluster, eventually
from relay import Way
from servers import Postgres

NODES = 3
FAULT_SECONDS = 3
# Requests per minute of the limited project, and what may pass beyond.
LIMIT, TOLERANCE = 120, 1.05
BUDGET = Decimal("1.00")


class Trial:
    """One installation that bears one fault after the other."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.load = Load(cluster)
        self.since = hour()
        self.spenders = 0
        self.free_key = self.limited_key = ""
        self.limited_since = 0.0
        # What nodes that counted alone may have admitted beside the others.
        self.shares = 0.0

    async def prepare(self) -> None:
        _, self.free_key = await self.cluster.project("free")
        project, self.limited_key = await self.cluster.project("limited")
        limit = {"scope": "project", "subject": project, "measure": "requests_per_minute", "amount": LIMIT}
        await self.cluster.nodes[0].organization("POST", "/limits", json=limit)
        self.limited_since = time.monotonic()

    async def spender(self) -> tuple[str, str, str]:
        """A new group of clients, its project with a hard budget, and its key."""
        self.spenders += 1
        group = f"spender{self.spenders}"
        project, key = await self.cluster.project(group)
        budget = {"scope": "project", "subject": project, "period": "month", "enforcement": "hard"}
        await self.cluster.nodes[0].organization("POST", "/budgets", json={**budget, "amount": str(BUDGET)})
        # It holds on every node a quarter of a second after it was made.
        await asyncio.sleep(1)
        return group, project, key

    async def bear(self, fault: Fault, node: Node) -> None:
        """A budget of its own is spent during each fault. The load stops for the comparison."""
        at, balancer = self.cluster.nodes.index(node), self.cluster.balancer
        spender, project, key = await self.spender()
        before, since = len(self.load.calls), int(time.time())
        self.load.begin("free", self.free_key, 4)
        self.load.begin("limited", self.limited_key, 6)
        self.load.begin(spender, key, 6)
        await asyncio.sleep(1)
        # A process that dies takes connections to its end.
        at_stake, began = balancer.open[at] - balancer.taken[at], time.monotonic()
        async with fault.on(node):
            at_stake += balancer.taken[at]
            await asyncio.sleep(FAULT_SECONDS)
        if fault.counts_alone:
            self.shares += LIMIT / NODES * (time.monotonic() - began) / 60
        await self.all_is_spent(spender)
        await self.load.end()
        await self.cluster.recorded()

        calls = self.load.calls[before:]
        print(f"\n{node.name} {fault.name}: {told(calls)}", end="")
        shed_by = at if fault.may_shed else None
        self.nothing_was_refused(calls, shed_by)
        self.nothing_broke(calls, at_stake if fault.breaks_connections else 0)
        self.limit_held()
        records = await ledger(self.cluster.nodes[0], since)
        each_is_recorded_once(records, calls, self.cluster.upstream)
        self.budget_held(spender, spent(records, project))

    async def all_is_spent(self, spender: str) -> None:
        """What a node had leased that was killed or cut off is there for the others again."""

        async def is_spent() -> bool:
            calls = self.load.of(spender)
            counted = self.cluster.upstream.cost({call.user for call in calls})
            return counted > BUDGET * 9 / 10 and bool(with_outcome(calls, Outcome.SPENT))

        await eventually("the budget is used up", is_spent)
        # Whoever would overrun it, does so now.
        await asyncio.sleep(1)

    def nothing_was_refused(self, calls: list[Call], shed_by: int | None) -> None:
        refused = with_outcome(calls, Outcome.REFUSED)
        apart = [call for call in refused if call.node == shed_by]
        print(f", {len(apart)} shed by the node itself" if apart else "", end="")
        refused = [call for call in refused if call.node != shed_by]
        assert not refused, f"{len(refused)} refused: {refused[:5]}"

    def nothing_broke(self, calls: list[Call], at_stake: int) -> None:
        broken = with_outcome(calls, Outcome.BROKEN)
        assert len(broken) <= at_stake, f"{len(broken)} broken, of {at_stake} at stake: {broken[:5]}"

    def limit_held(self) -> None:
        admitted = self.cluster.upstream.of("limited")
        allowed = LIMIT * (1 + (time.monotonic() - self.limited_since) / 60)
        print(f"; limit: {admitted} of {allowed:.0f} admitted, {self.shares:.0f} more by shares", end="")
        assert admitted <= TOLERANCE * allowed + self.shares

    def budget_held(self, spender: str, recorded: Decimal) -> None:
        calls = self.load.of(spender)
        counted = self.cluster.upstream.cost({call.user for call in calls})
        # What a killed node had under way is in nobody's books.
        broken = self.cluster.upstream.cost({call.user for call in with_outcome(calls, Outcome.BROKEN)})
        print(f"; budget: ${recorded:.4f} recorded, ${counted:.4f} counted", end="")
        assert recorded <= BUDGET
        assert counted - broken <= BUDGET


@pytest.mark.anyio
async def test_each_node_in_turn(tmp_path: Path, postgres: Postgres, counters: int) -> None:
    async with cluster(tmp_path, NODES, postgres=postgres, counters=counters) as three:
        trial = Trial(three)
        await trial.prepare()
        for number, node in enumerate(three.nodes):
            # Each server is cut off both ways.
            ways = (Way.BROKEN, Way.SILENT) if number % 2 else (Way.SILENT, Way.BROKEN)
            for fault in faults.each(*ways):
                await trial.bear(fault, node)
        assert with_outcome(trial.load.of("limited"), Outcome.LIMITED), "the load does not reach the limit"
        books = await Books.of(three.nodes[0], trial.since)
        print(f"\nall: {told(trial.load.calls)}; {len(books.records)} records, ${books.cost}")
        each_is_recorded_once(books.records, trial.load.calls, three.upstream)
        sums_are_those_of_the_ledger(books)
        assert books.cost == three.upstream.cost({record["end_user"] for record in books.records})
