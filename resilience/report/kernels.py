"""Notebooks start warm: a kernel is forked from a server process that has the imports done.

Measured cold, most of a report's time is a new interpreter importing pandas, plotly and scikit-learn. The server is
the standard library's `forkserver`; each kernel is a fresh fork of it, so no report sees another's state. Where the
platform cannot fork, papermill's ordinary kernel is used.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Mapping
from importlib import resources
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets.config import Config

from .panels import ROOT_VARIABLE

SPEC = Path(str(resources.files("resilience.report"))) / "kernelspec"
"""What JupyterLab lists as "Python 3 (resilience, warm)"; the wheel installs it beside the ordinary kernel."""
_READY_SECONDS = 60
_starting = threading.Lock()


def manager() -> type[AsyncKernelManager]:
    """Class of the kernel manager to run notebooks with on this platform."""
    return WarmKernelManager if can_fork() else PageKernelManager


def can_fork() -> bool:
    """Whether this platform has what warm kernels need."""
    return "forkserver" in multiprocessing.get_all_start_methods()


def private(folder: str) -> Config:
    """Settings that put a kernel's sockets into `folder`: no port can collide, and nobody on the network can listen."""
    if os.name != "posix":
        return Config()
    return Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/kernel"}})


class PageKernelManager(AsyncKernelManager):
    """Manager of kernels whose outputs become a page under reports/NAME/: links in it are made for that place."""

    async def start_kernel(self, **kwargs: Any) -> None:  # type: ignore[override]
        env = {**(kwargs.pop("env", None) or os.environ), ROOT_VARIABLE: "../.."}
        await super().start_kernel(env=env, **kwargs)


class WarmClient(AsyncKernelClient):
    """A client that is ready once its kernel says so; the stock one listens until 0.2 s were silent."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Returns when the kernel has answered and its news of that answer arrived. Raises RuntimeError if it does not."""
        until = time.monotonic() + (timeout or float("inf"))
        while True:
            asked = self.kernel_info()
            with contextlib.suppress(Empty):
                while (reply := await self.shell_channel.get_msg(timeout=1))["parent_header"][
                    "msg_id"
                ] != asked:
                    pass
                while not _idle_after(await self.iopub_channel.get_msg(timeout=1), asked):
                    pass
                self._handle_kernel_info_reply(reply)
                return
            if not await self.is_alive():
                raise RuntimeError("The kernel died before it was ready.")
            if time.monotonic() > until:
                raise RuntimeError(f"The kernel was not ready within {timeout:g} s.")


def _idle_after(message: Mapping[str, Any], asked: str) -> bool:
    return (
        message["content"].get("execution_state") == "idle"
        and message["parent_header"].get("msg_id") == asked
    )


class WarmKernelManager(PageKernelManager):
    """Manager of kernels that are forked; its kernelspec is the package's own and need not be installed."""

    def client(self, **kwargs: Any) -> AsyncKernelClient:
        """A client that knows how these kernels start, whatever class nbclient names."""
        self.client_factory = WarmClient
        return super().client(**kwargs)

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec.from_resource_dir(str(SPEC))


class ForkedProvisioner(LocalProvisioner):
    """Starts a kernel as a fork; everything after the start is what a local process does."""

    process: Any = None  # a _Forked where the base class has a Popen

    async def kill(self, restart: bool = False) -> None:
        """End the kernel at once, and return when it has ended."""
        await super().kill(restart)
        if self.process is not None:
            await asyncio.to_thread(self.process.wait)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Fork a kernel with the arguments of `cmd`, in `cwd` with `env`; returns once its sockets are bound.

        Where the platform cannot fork, `cmd` is started as it stands: an ordinary kernel.
        """
        if not can_fork():
            return await super().launch_kernel(cmd, **kwargs)
        self.cwd = kwargs.get("cwd") or os.getcwd()
        given = cmd[cmd.index("-f") :]
        self.process = await asyncio.to_thread(_fork, given, str(self.cwd), dict(kwargs["env"]))
        self.pid = self.pgid = self.process.pid
        return self.connection_info


class _Forked:
    """A forked process with the part of Popen's interface that a provisioner uses."""

    stdin = stdout = stderr = None

    def __init__(self, process: Any) -> None:
        self._process, self.pid = process, process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def _fork(arguments: list[str], cwd: str, env: Mapping[str, str]) -> _Forked:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["resilience.report.warm"])
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_kernel, args=(arguments, cwd, dict(env), writer), daemon=True)
    with _starting:  # the child would import our main module again, which may be heavy: show it an empty one
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            process.start()
        finally:
            sys.modules["__main__"] = main
    writer.close()
    try:
        if not reader.poll(_READY_SECONDS):
            process.kill()
            raise RuntimeError(f"The kernel was not ready within {_READY_SECONDS} s.")
        reader.recv_bytes()
    except EOFError:
        raise RuntimeError("The kernel ended before it was ready.") from None
    finally:
        reader.close()
    return _Forked(process)


def _kernel(arguments: list[str], cwd: str, env: Mapping[str, str], ready: Connection) -> None:
    """The kernel's own process: a group of its own, the caller's folder and environment, then IPython until the end."""
    from ipykernel.kernelapp import IPKernelApp

    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    app = IPKernelApp.instance(parent_handle=os.getppid())  # it ends when the server does
    app.initialize(arguments)
    ready.send_bytes(b"ready")
    ready.close()
    app.start()
