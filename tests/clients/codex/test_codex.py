"""The Codex CLI: over a WebSocket, over server-sent events, and where WebSockets are refused."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import sim
from kijun import Kijun

CODEX = Path(__file__).parent / "node_modules/.bin/codex"
SECONDS = 120
CONFIG = """
model = "{model}"
model_provider = "kijun"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false

[analytics]
enabled = false

[model_providers.kijun]
name = "Kijun"
base_url = "{base_url}"
env_key = "KIJUN_API_KEY"
wire_api = "responses"
supports_websockets = {websockets}
request_max_retries = 0
stream_max_retries = 1
"""


class Codex:
    """One run of `codex exec`, in a folder of its own."""

    def __init__(self, folder: Path, node: Kijun, base_url: str, websockets: bool) -> None:
        self.home, self.work = folder / "home", folder / "work"
        self.home.mkdir()
        self.work.mkdir()
        config = CONFIG.format(
            model=sim.CHAT, base_url=base_url, websockets=str(websockets).lower()
        )
        (self.home / "config.toml").write_text(config)
        self.env = {**os.environ, "CODEX_HOME": str(self.home), "KIJUN_API_KEY": node.api_key}

    def run(self, *lines: str) -> list[dict]:
        done = subprocess.run(
            [CODEX, "exec", "--json", "--skip-git-repo-check", "\n".join(lines)],
            cwd=self.work, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=SECONDS,
        )
        told = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == 0 and told[-1]["type"] == "turn.completed", done.stdout + done.stderr
        assert told[-1]["usage"]["input_tokens"] > 0
        return told


def items(told: list[dict], kind: str) -> list[dict]:
    done = (event["item"] for event in told if event["type"] == "item.completed")
    return [item for item in done if item["type"] == kind]


def complaints(told: list[dict]) -> list[str]:
    """What it shows as errors, but that it knows nothing of our model's name."""
    shown = [item["message"] for item in items(told, "error")]
    shown += [event["message"] for event in told if event["type"] == "error"]
    return [message for message in shown if "Model metadata" not in message]


@contextmanager
def without_websockets(node: Kijun) -> Iterator[str]:
    """A proxy that refuses every WebSocket, as many in front of servers do."""
    target = urlsplit(node.origin).netloc

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(426 if "upgrade" in self.headers else 404)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            upstream = HTTPConnection(target, timeout=30)
            upstream.request("POST", self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            self.send_response(answer.status)
            self.send_header("content-type", answer.getheader("content-type"))
            self.end_headers()
            while piece := answer.read1():
                self.wfile.write(piece)
            upstream.close()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("websockets", [True, False], ids=["websocket", "server-sent events"])
def test_it_calls_a_tool_and_ends(node: Kijun, tmp_path: Path, websockets: bool) -> None:
    codex = Codex(tmp_path, node, node.base_url, websockets)
    command = json.dumps({"cmd": "echo made by $0 | tee proof.txt"})
    told = codex.run(f"sim: tool exec_command {command}")
    (ran,) = items(told, "command_execution")
    assert ran["exit_code"] == 0 and "made by" in ran["aggregated_output"]
    assert (codex.work / "proof.txt").read_text() == ran["aggregated_output"]
    assert "made by" in items(told, "agent_message")[-1]["text"], "the result came back to the model"
    assert complaints(told) == []


def test_it_falls_back_where_websockets_are_refused(node: Kijun, tmp_path: Path) -> None:
    with without_websockets(node) as base_url:
        told = Codex(tmp_path, node, base_url, websockets=True).run("sim: say by the other way")
    assert items(told, "agent_message")[-1]["text"] == "by the other way"
    assert any("WebSocket" in message for message in complaints(told))


def test_it_shows_reasoning(node: Kijun, tmp_path: Path) -> None:
    told = Codex(tmp_path, node, node.base_url, websockets=True).run(
        "sim: reason I shall be brief.", "sim: say Done."
    )
    assert items(told, "agent_message")[-1]["text"] == "Done."
    assert complaints(told) == []
