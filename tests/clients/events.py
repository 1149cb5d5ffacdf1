"""What must hold for every stream of the Responses API, whoever made the answer behind it."""

import json
from collections.abc import Iterable

OVER = {"response.completed", "response.failed", "response.incomplete"}
SNAPSHOTS = OVER | {"response.created", "response.queued", "response.in_progress"}

# What grows by deltas within a part of an item: the part's field, and the index that counts parts.
PARTS = {
    "response.output_text": ("text", "content_index"),
    "response.refusal": ("refusal", "content_index"),
    "response.reasoning_text": ("text", "content_index"),
    "response.reasoning_summary_text": ("text", "summary_index"),
}
# What grows by deltas in an item itself.
WHOLES = {
    "response.function_call_arguments": "arguments",
    "response.custom_tool_call_input": "input",
}
PART_EVENTS = {
    "response.content_part": ("content", "content_index"),
    "response.reasoning_summary_part": ("summary", "summary_index"),
}


def read(body: str) -> list[dict]:
    """The events of a server-sent stream, which must be framed as the API frames them."""
    *blocks, end, rest = body.split("\n\n")
    assert (end, rest) == ("data: [DONE]", ""), "a stream ends in [DONE] and a blank line"
    events = []
    for block in blocks:
        name, data = block.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


def check(events: Iterable[dict]) -> dict:
    """Follows a stream from its first event to its last and returns the closing response."""
    events = list(events)
    numbers = [event["sequence_number"] for event in events]
    assert numbers == list(range(numbers[0], numbers[0] + len(events))), "numbers rise by one"
    names = [event["type"] for event in events]
    assert names[0] == "response.created" and names.count("response.created") == 1
    assert names.count("response.in_progress") == 1
    assert "response.in_progress" in names[1:3], "directly, or once it is out of the queue"
    assert [name for name in names if name in OVER] == [names[-1]], "one end, and it is the last"
    snapshots = [event["response"] for event in events if event["type"] in SNAPSHOTS]
    assert len({response["id"] for response in snapshots}) == 1, "one id throughout"
    assert all(response["output"] == [] for response in snapshots[:-1])

    items = Items()
    for event in events:
        if event["type"] not in SNAPSHOTS:
            items.follow(event)
    closing = events[-1]["response"]
    if names[-1] == "response.completed":
        assert not items.open, "every item is done before the response is"
    assert [items.done[index] for index in sorted(items.done)] == closing["output"]
    return closing


class Items:
    """The items of a stream as far as they have come."""

    def __init__(self) -> None:
        self.open: dict[int, dict] = {}
        self.done: dict[int, dict] = {}
        self.parts: dict[tuple, Text] = {}
        self.wholes: dict[int, Text] = {}

    def follow(self, event: dict) -> None:
        kind, _, what = event["type"].rpartition(".")
        index = event["output_index"]
        if kind == "response.output_item":
            getattr(self, f"item_{what}")(index, event["item"])
            return
        assert event["item_id"] == self.open[index]["id"], "an item keeps its id"
        if kind in PART_EVENTS:
            field, counter = PART_EVENTS[kind]
            getattr(self, f"part_{what}")((index, field, event[counter]), event["part"])
        elif kind in PARTS:
            field, counter = PARTS[kind]
            list_name = "summary" if counter == "summary_index" else "content"
            getattr(self.parts[index, list_name, event[counter]], what)(event, field)
        elif kind in WHOLES:
            getattr(self.wholes[index], what)(event, WHOLES[kind])

    def item_added(self, index: int, item: dict) -> None:
        assert index == len(self.open) + len(self.done), "items are numbered as they come"
        assert item.get("status", "in_progress") == "in_progress"
        self.open[index] = item
        self.wholes[index] = Text()

    def item_done(self, index: int, item: dict) -> None:
        added = self.open.pop(index)
        assert (item["id"], item["type"]) == (added["id"], added["type"])
        assert item.get("status", "completed") in ("completed", "incomplete")
        cut_off = item.get("status") == "incomplete"
        for (owner, field, part), text in self.parts.items():
            if owner == index:
                assert text.closed, "parts are done before their item is"
                assert part < len(item[field])
        for field in WHOLES.values():
            if field in item:
                assert self.wholes[index].over or cut_off, "arguments are done before their call is"
                assert item[field] == self.wholes[index].said
        self.done[index] = item

    def part_added(self, place: tuple, part: dict) -> None:
        assert place not in self.parts
        assert part.get("text", "") == "" and part.get("refusal", "") == ""
        self.parts[place] = Text()

    def part_done(self, place: tuple, part: dict) -> None:
        text = self.parts[place]
        assert text.over and not text.closed, "a text is done before its part is, and that once"
        assert part.get("text", part.get("refusal")) == text.said
        text.closed = True


class Text:
    """What grows by deltas until it is told as a whole."""

    def __init__(self) -> None:
        self.said, self.over, self.closed = "", False, False

    def delta(self, event: dict, _: str) -> None:
        assert not self.over, "nothing is said after the whole"
        self.said += event["delta"]

    def done(self, event: dict, field: str) -> None:
        assert not self.over, "the whole is told once"
        assert event[field] == self.said, "the deltas make the whole"
        self.over = True
