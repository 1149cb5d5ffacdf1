"""An upstream that counts what it answers, call by call: a call's `user` is its name."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# Pieces of a streamed answer.
PIECES = 7
# Pieces that a client reads before it hangs up.
READ = 3


@dataclass(frozen=True)
class Used:
    """Tokens of one call."""

    input: int = 0
    cached: int = 0
    output: int = 0


@dataclass
class Upstream:
    """What was counted, and where it is asked."""

    calls: dict[str, list[Used]] = field(default_factory=dict)
    base_url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, user: str, used: Used) -> None:
        with self.lock:
            self.calls.setdefault(user, []).append(used)


class Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


@contextmanager
def upstream() -> Iterator[Upstream]:
    counts = Upstream()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body are written apart; neither waits for the other's acknowledgement.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self.answer(200, {"object": "list", "data": []})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            user = asked.get("user", "")
            number = int(user.rpartition("-")[2] or 0)
            # No two calls are alike, so that no two mistakes make up for each other.
            used = Used(input=100 + number % 997, cached=number % 83, output=PIECES + number % 51)
            if "embedding" in asked["model"]:
                used = Used(input=used.input)
                counts.count(user, used)
                data = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
                usage = {"prompt_tokens": used.input, "total_tokens": used.input}
                self.answer(200, {"object": "list", "model": "e", "data": data, "usage": usage})
            elif "wrong" in asked["model"]:
                counts.count(user, Used())
                error = {"message": "no", "type": "invalid_request_error", "param": None, "code": None}
                self.answer(400, {"error": error})
            elif asked.get("stream"):
                self.stream(user, used, broken="broken" in asked["model"], endless="endless" in asked["model"])
            else:
                counts.count(user, used)
                message = {"role": "assistant", "content": "Hello"}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                head = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
                self.answer(200, {**head, "choices": [choice], "usage": usage_of(used)})

        def stream(self, user: str, used: Used, *, broken: bool, endless: bool) -> None:
            """Tells the usage with every piece, as vLLM does."""
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            self.close_connection = True
            pieces = READ if broken or endless else PIECES
            sent = Used()
            for at in range(1, pieces + 1):
                last = at == PIECES
                sent = used if last else Used(used.input, used.cached, at)
                choice = {
                    "index": 0, "delta": {"role": "assistant", "content": f"{at} "},
                    "finish_reason": "stop" if last else None,
                }
                self.event({"choices": [choice], "usage": usage_of(sent)})
            counts.count(user, sent)
            if endless:
                # Nothing more is said until the other side has gone.
                self.connection.settimeout(60)
                self.connection.recv(1)
            elif not broken:
                self.wfile.write(b"data: [DONE]\n\n")

        def event(self, chunk: dict[str, Any]) -> None:
            head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
            self.wfile.write(b"data: " + json.dumps({**head, **chunk}).encode() + b"\n\n")

        def answer(self, status: int, body: dict[str, Any]) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    counts.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    yield counts
    server.shutdown()
    server.server_close()


def usage_of(used: Used) -> dict[str, Any]:
    return {
        "prompt_tokens": used.input,
        "completion_tokens": used.output,
        "total_tokens": used.input + used.output,
        "prompt_tokens_details": {"cached_tokens": used.cached},
    }
