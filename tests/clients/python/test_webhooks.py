"""Events that a node posts to a webhook, verified by the official SDK."""

import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import openai
import pytest
from openai import OpenAI

from kijun import Kijun

Posted = tuple[bytes, dict[str, str]]
SECONDS = 30


@pytest.fixture
def receiver() -> Iterator[tuple[str, "queue.Queue[Posted]"]]:
    posts: queue.Queue[Posted] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            posts.put((body, dict(self.headers.items())))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hooks", posts
    server.shutdown()


def test_the_sdk_verifies_what_is_posted(
    client: OpenAI, node: Kijun, receiver: tuple[str, "queue.Queue[Posted]"]
) -> None:
    url, posts = receiver
    admin = httpx2.Client(
        base_url=f"{node.base_url}/organization",
        headers={"authorization": f"Bearer {node.admin_key}"},
        timeout=30,
    )
    hook = admin.post("/webhooks", json={"name": "tests", "url": url}).raise_for_status().json()
    first = hook["secret"]
    notice = admin.post(f"/webhooks/{hook['id']}/test").raise_for_status().json()
    body, headers = posts.get(timeout=SECONDS)
    client.webhooks.verify_signature(body, headers, secret=first)
    event = httpx2.Response(200, content=body).json()
    assert (event["object"], event["type"]) == ("event", "kijun.webhook.test")
    assert headers["webhook-id"] == notice["id"]

    second = admin.post(f"/webhooks/{hook['id']}/rotate_secret").raise_for_status().json()["secret"]
    admin.post(f"/webhooks/{hook['id']}/test").raise_for_status()
    body, headers = posts.get(timeout=SECONDS)
    client.webhooks.verify_signature(body, headers, secret=second)
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client.webhooks.verify_signature(body, headers, secret=first)
    admin.delete(f"/webhooks/{hook['id']}").raise_for_status()
