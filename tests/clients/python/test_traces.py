"""Traces in the shape in which OpenAI's Agents SDK exports them."""

import time
from uuid import uuid4

import httpx2
from openai import OpenAI

import kijun
import sim


def export(node: kijun.Kijun, *items: dict) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {node.api_key}", "OpenAI-Beta": "traces=v1"}
    return httpx2.post(f"{node.base_url}/traces/ingest", headers=headers, json={"data": items})


def test_a_trace_is_read_with_the_call_that_it_tells_of(client: OpenAI, node: kijun.Kijun) -> None:
    answer = client.responses.create(model=sim.CHAT, input="Hello")
    trace, span = f"trace_{uuid4().hex}", f"span_{uuid4().hex[:24]}"
    exported = export(
        node,
        {"object": "trace", "id": trace, "workflow_name": "Support", "group_id": None,
         "metadata": None},
        {"object": "trace.span", "id": span, "trace_id": trace, "parent_id": None,
         "started_at": "2026-01-31T09:15:00.123456+00:00",
         "ended_at": "2026-01-31T09:15:01.123456+00:00",
         "span_data": {"type": "response", "response_id": answer.id, "usage": None},
         "error": None},
    )
    assert (exported.status_code, exported.content) == (204, b"")
    admin = httpx2.Client(
        base_url=f"{node.base_url}/organization",
        headers={"Authorization": f"Bearer {node.admin_key}"},
    )
    project = admin.get("/projects").json()["data"][0]["id"]
    listed = admin.get("/traces", params={"project_id": project}).json()
    assert listed["data"][0]["id"] == trace
    found = admin.get(f"/traces/{trace}", params={"project_id": project}).json()
    assert found["workflow_name"] == "Support"
    (told,) = found["spans"]
    assert told["span_data"]["response_id"] == answer.id
    # Records reach the database a moment after their calls.
    deadline = time.monotonic() + 10
    while (call := admin.get(f"/calls/{told['call_id']}")).status_code == 404:
        assert time.monotonic() < deadline, call.text
        time.sleep(0.05)
    assert call.json()["operation"] == "responses"


def test_a_wrong_item_is_named(node: kijun.Kijun) -> None:
    refused = export(node, {"object": "trace", "id": "trace_1"}, {"object": "trace.event"})
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "data[1].object"
