"""A running Kijun: the release binary on a free port of this machine, with a folder of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from processes import REPOSITORY, free_port, running

API_KEY = "sk-client-tests-0123456789"
ADMIN_KEY = "sk-client-tests-admin-0123456789"


@dataclass(frozen=True)
class Kijun:
    origin: str
    api_key: str = API_KEY
    admin_key: str = ADMIN_KEY

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"


def binary() -> Path:
    path = Path(os.environ.get("KIJUN_BIN") or REPOSITORY / "target/release/kijun")
    if not path.is_file():
        raise RuntimeError(f"no binary at {path}: run `cargo build --release`, or set KIJUN_BIN")
    return path


@contextmanager
def serve(folder: Path, config: str) -> Iterator[Kijun]:
    origin = f"http://127.0.0.1:{free_port()}"
    file = folder / "kijun.toml"
    file.write_text(config)
    command = [
        binary(), "serve",
        "--data-dir", folder / "data",
        "--listen", origin.removeprefix("http://"),
        "--config", file,
    ]
    keys = {"KIJUN_BOOTSTRAP_API_KEY": API_KEY, "KIJUN_BOOTSTRAP_ADMIN_KEY": ADMIN_KEY}
    with running(command, f"{origin}/readyz", folder / "kijun.log", keys):
        yield Kijun(origin)
