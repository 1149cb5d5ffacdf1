"""A data directory on a file system that fills up, with everything on it: database and journal. It is told before
it bites; then calls are refused, or answered and counted as lost, as the operator chose; and it ends by itself
when there is room again."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from books import Books, each_is_recorded_once, hour, sums_are_those_of_the_ledger
from kijun import API_KEY
from load import Load, Outcome, told, with_outcome
from nodes import Node, cluster, eventually, says

MEBIBYTE = 1024 * 1024
SIZE, WARNED_BELOW = 8 * MEBIBYTE, 3 * MEBIBYTE
HELD_RECORDS = 100
CONFIG = """
[journal]
warn_free_bytes = {warned_below}
when_full = "{when_full}"
held_records = {held_records}
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The data directory of the first node."""
    folder = tmp_path / "node-1" / "data"
    folder.mkdir(parents=True)
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system of 8 MiB")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "kijun-cluster", folder]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no file system of 8 MiB can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


class Filler:
    """A file that takes the room which somebody else's data would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "filler"

    def leave(self, room: int) -> None:
        page = b"\0" * os.statvfs(self.folder).f_bsize
        with self.file.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while os.statvfs(self.folder).f_bfree * len(page) > room:
                file.write(page)

    def delete(self) -> None:
        self.file.unlink()


@contextlib.asynccontextmanager
async def full(tmp_path: Path, small_disk: Path, when_full: str) -> AsyncIterator[tuple[Node, Load, Filler]]:
    """A node under load, up to the moment when its disk refused a record."""
    config = CONFIG.format(warned_below=WARNED_BELOW, when_full=when_full, held_records=HELD_RECORDS)
    async with cluster(tmp_path, 1, config=config) as one:
        [node], load, filler = one.nodes, Load(one), Filler(small_disk)
        load.begin("free", API_KEY, 6)
        await says(node, "kijun_disk/roomy", 1)
        filler.leave(WARNED_BELOW * 3 // 4)
        await says(node, "kijun_disk/filling_up", 1)
        assert "the disk is filling up" in node.log
        await asyncio.sleep(1)
        assert {call.outcome for call in load.calls} == {Outcome.ANSWERED}, "a warning, and no more"
        filler.leave(0)
        await says(node, "kijun_disk/full", 1)
        assert "the disk is full" in node.log
        yield node, load, filler


async def settled(node: Node, load: Load, filler: Filler, since: int) -> Books:
    """Makes room, and waits until everything goes its usual way again."""
    print(f"\nwhile it was full: {told(load.calls)}", end="")
    filler.delete()
    await says(node, "kijun_disk/full", 0)
    before = len(load.calls)

    async def answers() -> bool:
        return len(load.calls) > before + 20 and all(
            call.outcome is Outcome.ANSWERED for call in load.calls[-10:]
        )

    await eventually("calls are answered again", answers)
    await load.end()
    await load.cluster.recorded()
    print(f"; in the end: {told(load.calls)}")
    return await Books.of(node, since)


@pytest.mark.anyio
async def test_calls_are_refused_before_a_record_is_lost(tmp_path: Path, small_disk: Path) -> None:
    since = hour()
    async with full(tmp_path, small_disk, "refuse") as (node, load, filler):

        async def refused() -> bool:
            return len(with_outcome(load.calls, Outcome.REFUSED)) > 10

        await eventually("calls are refused", refused)
        problems = {call.problem for call in with_outcome(load.calls, Outcome.REFUSED)}
        assert problems == {"503 cannot_record"}
        books = await settled(node, load, filler, since)
        assert (await node.metrics())["kijun_journal_lost_records_total"] == 0
        each_is_recorded_once(books.records, load.calls, load.cluster.upstream)
        sums_are_those_of_the_ledger(books)


@pytest.mark.anyio
async def test_calls_go_on_and_what_is_lost_is_counted(tmp_path: Path, small_disk: Path) -> None:
    since = hour()
    async with full(tmp_path, small_disk, "shed") as (node, load, filler):

        async def lost() -> bool:
            return (await node.metrics())["kijun_journal_lost_records_total"] > 10

        await eventually("records are lost, and told so", lost)
        assert "records of calls are lost" in node.log
        assert {call.outcome for call in load.calls} == {Outcome.ANSWERED}
        books = await settled(node, load, filler, since)
        count = int((await node.metrics())["kijun_journal_lost_records_total"])
        print(f"{count} records lost", end="")
        each_is_recorded_once(books.records, load.calls, load.cluster.upstream, lost=count)
        sums_are_those_of_the_ledger(books)
