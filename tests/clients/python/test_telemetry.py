"""What a node tells machines, read with the official packages of OpenTelemetry and Prometheus."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from openai import OpenAI
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

import kijun

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@dataclass
class Collector:
    """Takes what is posted to it."""

    posted: list[tuple[str, str | None, bytes]] = field(default_factory=list)
    endpoint: str = ""

    def messages(self, signal: str, kind: type) -> list:
        path = f"/v1/{signal}"
        return [kind.FromString(body) for to, _, body in self.posted if to == path]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collector, str, str]]:
    """Everything that a node sends to a collector by the time that it has stopped, and what it told
    Prometheus and in which words."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.posted.append((self.path, self.headers["authorization"], body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    collector.endpoint = f"http://127.0.0.1:{server.server_port}"
    config = f"""
[discovery]
environment = false
local_servers = false

[metrics]
token = "t0ken"

[telemetry]
otlp_endpoint = "{collector.endpoint}"
logs = true
interval_secs = 3600

[telemetry.headers]
authorization = "Basic canary"
"""
    with kijun.serve(tmp_path_factory.mktemp("telemetry"), config) as node:
        with OpenAI(api_key=node.api_key, base_url=node.base_url, max_retries=0) as client:
            parent = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
            client.chat.completions.create(
                model="kijun-sim",
                messages=[{"role": "user", "content": "a canary prompt"}],
                user="canary-user",
                extra_headers=parent,
            )
            stream = client.responses.create(model="kijun-sim", input="a canary prompt", stream=True)
            assert list(stream)
        auth = {"authorization": "Bearer t0ken"}
        text = httpx2.get(f"{node.origin}/metrics", headers=auth).raise_for_status().text
        auth["accept"] = "application/openmetrics-text; version=1.0.0"
        answer = httpx2.get(f"{node.origin}/metrics", headers=auth).raise_for_status()
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert httpx2.get(f"{node.origin}/metrics").status_code == 401
    server.shutdown()
    yield collector, text, answer.text


def attributes(of: object) -> dict[str, object]:
    return {
        one.key: getattr(one.value, one.value.WhichOneof("value")) for one in of.attributes
    }


def test_calls_are_spans(told: tuple[Collector, str, str]) -> None:
    collector, _, _ = told
    requests = collector.messages("traces", ExportTraceServiceRequest)
    resources = [resource for request in requests for resource in request.resource_spans]
    assert attributes(resources[0].resource)["service.name"] == "kijun"
    spans = [
        span for resource in resources for scope in resource.scope_spans for span in scope.spans
    ]
    chat, response = sorted(spans, key=lambda span: span.start_time_unix_nano)
    assert (chat.trace_id.hex(), chat.parent_span_id.hex()) == (TRACE, PARENT)
    assert not response.parent_span_id
    assert chat.name == response.name == "chat kijun-sim"
    assert chat.start_time_unix_nano < chat.end_time_unix_nano
    told_of = attributes(chat)
    assert told_of["gen_ai.operation.name"] == "chat"
    assert told_of["gen_ai.request.model"] == "kijun-sim"
    assert told_of["gen_ai.usage.input_tokens"] > 0
    assert told_of["http.response.status_code"] == 200
    assert attributes(response)["openai.api.type"] == "responses"
    assert attributes(response)["kijun.request.id"] == f"req_{response.trace_id.hex()}"


def test_metrics_and_logs_are_sent(told: tuple[Collector, str, str]) -> None:
    collector, _, _ = told
    (request,) = collector.messages("metrics", ExportMetricsServiceRequest)
    metrics = {
        metric.name: metric
        for metric in request.resource_metrics[0].scope_metrics[0].metrics
    }
    points = metrics["gen_ai.client.token.usage"].histogram.data_points
    assert {attributes(point)["gen_ai.token.type"] for point in points} == {"input", "output"}
    assert sum(point.as_double for point in metrics["kijun.calls"].sum.data_points) == 2
    logs = collector.messages("logs", ExportLogsServiceRequest)
    assert [record for log in logs for record in log.resource_logs[0].scope_logs[0].log_records]


def test_nothing_that_was_said_is_sent(told: tuple[Collector, str, str]) -> None:
    collector, text, _ = told
    assert {authorization for _, authorization, _ in collector.posted} == {"Basic canary"}
    assert not any(b"canary" in body for _, _, body in collector.posted)
    assert "canary" not in text


def test_prometheus_reads_both_formats(told: tuple[Collector, str, str]) -> None:
    _, text, open_text = told
    for families in (prometheus(text), openmetrics(open_text)):
        samples = {
            sample.name: sample.value
            for family in families
            for sample in family.samples
            if "bucket" not in sample.name
        }
        assert samples["kijun_models"] >= 3
        assert samples["kijun_calls_total"] == 1
        assert samples["process_resident_memory_bytes"] > 1_000_000
        assert samples["kijun_database_up"] == 1
        assert samples["kijun_notices_waiting"] == 0
        assert samples["kijun_notices_oldest_seconds"] == 0
        assert samples["kijun_database_connections_max"] >= 1
