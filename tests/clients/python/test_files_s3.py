"""Files in a bucket: a node of its own against a server that speaks S3's protocol."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx2
import pytest
from openai import OpenAI

import kijun
from processes import free_port, running

MIB = 1024 * 1024
CANARY = b"canary-in-the-bucket "


@dataclass(frozen=True)
class Bucket:
    endpoint: str
    name: str
    client: Any


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    origin = f"http://127.0.0.1:{free_port()}"
    port = origin.rpartition(":")[2]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
    log = tmp_path_factory.mktemp("s3") / "s3.log"
    with running(command, f"{origin}/moto-api/data.json", log):
        client = boto3.client(
            "s3",
            endpoint_url=origin,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        client.create_bucket(Bucket="files")
        yield Bucket(origin, "files", client)


@pytest.fixture(scope="module")
def s3_client(bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    config = f"""
[discovery]
environment = false
local_servers = false

[files.s3]
bucket = "{bucket.name}"
prefix = "below/here"
endpoint = "{bucket.endpoint}"
access_key_id = "test"
secret_access_key = "test"
"""
    with kijun.serve(tmp_path_factory.mktemp("kijun-s3"), config) as node:
        with OpenAI(
            api_key=node.api_key,
            base_url=node.base_url,
            max_retries=0,
            timeout=60,
            _strict_response_validation=True,
        ) as client:
            yield client


def blobs(bucket: Bucket) -> set[str]:
    listed = bucket.client.list_objects_v2(Bucket=bucket.name).get("Contents", [])
    return {found["Key"] for found in listed if not found["Key"].endswith("/owner")}


def unfinished(bucket: Bucket) -> list[Any]:
    """Blobs of which parts are there, and no end."""
    return bucket.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads", [])


def wait_until(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("size", [0, 5, 8 * MIB + 1, 20 * MIB])
def test_a_file_of_any_size_goes_in_and_out(s3_client: OpenAI, bucket: Bucket, size: int) -> None:
    data = (CANARY * (size // len(CANARY) + 1))[:size]
    before = blobs(bucket)
    file = s3_client.files.create(file=("a.bin", data), purpose="user_data")
    (key,) = blobs(bucket) - before
    assert key.startswith("below/here/")
    stored = bucket.client.get_object(Bucket=bucket.name, Key=key)["Body"].read()
    assert len(stored) > size and b"canary" not in stored
    assert s3_client.files.content(file.id).read() == data
    if size > MIB:
        response = s3_client.files.with_raw_response.content(
            file.id, extra_headers={"range": f"bytes={MIB - 3}-{MIB + 3}"}
        )
        assert response.content == data[MIB - 3 : MIB + 4]
    s3_client.files.delete(file.id)
    assert blobs(bucket) == before


def test_an_upload_in_parts_is_copied_nowhere(
    s3_client: OpenAI, bucket: Bucket, tmp_path: Path
) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(CANARY * MIB)
    before = blobs(bucket)
    upload = s3_client.uploads.upload_file_chunked(
        file=path, mime_type="text/plain", purpose="user_data", part_size=9 * MIB
    )
    assert upload.file is not None
    assert len(blobs(bucket) - before) == 3
    assert s3_client.files.content(upload.file.id).read() == path.read_bytes()
    s3_client.files.delete(upload.file.id)
    assert blobs(bucket) == before


def test_a_file_that_is_refused_leaves_nothing(s3_client: OpenAI, bucket: Bucket) -> None:
    before = blobs(bucket)
    form = {"files": {"file": ("a.bin", CANARY * MIB)}, "data": {"purpose": "no-such-purpose"}}
    headers = {"authorization": f"Bearer {s3_client.api_key}"}
    answer = httpx2.post(f"{s3_client.base_url}files", headers=headers, timeout=60, **form)
    assert answer.status_code == 400
    assert blobs(bucket) == before


def test_a_client_that_hangs_up_leaves_no_parts(s3_client: OpenAI, bucket: Bucket) -> None:
    before = blobs(bucket)

    def sent() -> Iterator[bytes]:
        yield b"--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n"
        yield CANARY * MIB
        # The first part has left; the rest never comes.
        wait_until(lambda: unfinished(bucket))
        raise ConnectionAbortedError

    headers = {
        "authorization": f"Bearer {s3_client.api_key}",
        "content-type": "multipart/form-data; boundary=b",
    }
    with pytest.raises(ConnectionAbortedError):
        httpx2.post(f"{s3_client.base_url}files", headers=headers, content=sent(), timeout=60)
    wait_until(lambda: not unfinished(bucket))
    assert blobs(bucket) == before
