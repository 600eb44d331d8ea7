"""`resilience sync datadog` in a process of its own, which a test may kill: forked from a server that has the imports."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import orjson

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([__name__, "tests.syncing_warm"])


def workspace(root: Path, config: dict[str, object]) -> Path:
    """A folder in which the command runs; `config` is its datadog.yml."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "resilience.yml").write_text("title: T\n", encoding="utf-8")
    (root / "datadog.yml").write_bytes(orjson.dumps(config))
    return root


class Syncing:
    """One run of the command in `root`; it commits after every `rows` points."""

    def __init__(
        self, root: Path, host: str, keys: dict[str, str], *, rows: int, since: str, until: str
    ) -> None:
        arguments = ["--host", host, "--max-wait", "0.05", "--since", since, "--until", until]
        self._ready = _SERVER.Event()
        self.process = _SERVER.Process(target=_sync, args=(root, arguments, keys, rows, self._ready))
        self.process.start()
        assert self._ready.wait(120), "the process did not come up"

    def send(self, number: int) -> None:
        assert self.process.pid is not None
        with suppress(ProcessLookupError):  # it has ended by itself
            os.kill(self.process.pid, number)

    def code(self, seconds: float = 120) -> int | None:
        """Exit code, negative where a signal ended it; None where it goes on."""
        self.process.join(seconds)
        return self.process.exitcode


def _sync(root: Path, arguments: list[str], keys: dict[str, str], rows: int, ready: object) -> None:
    from resilience import sync
    from resilience.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored
    os.chdir(root)
    os.environ.update(keys)
    sync._BATCH_ROWS = rows
    sys.stdout = sys.stderr = (root / "said.txt").open("a", encoding="utf-8")
    ready.set()  # type: ignore[attr-defined]
    main(["sync", "datadog", *arguments])
