"""Where per-series work is done: here, in processes of this machine, or by the workers of a Dask cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any
from urllib.parse import urlsplit

from . import __version__
from .errors import InputError
from .store import Store

CONNECT_S = 10


@contextmanager
def executor(store: Store, jobs: int = 1, scheduler: str | None = None) -> Iterator[Executor | None]:
    """An Executor for work that reads `store`, or None where one process of this machine is asked for.

    `scheduler`: address of a Dask scheduler (tcp://host:port); before anything is sent there, every worker is asked
    whether it has this version of the package and sees the same store at the same path. Functions must be importable and
    their arguments small; results come back, and only the caller writes.
    Raises InputError where the scheduler does not answer, has no worker, or a worker does not see the store.
    """
    if scheduler is None and jobs <= 1:
        yield None
    elif scheduler is None:
        # Started anew, not forked: what reads Parquet has threads, and a fork keeps their locks without them.
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            yield pool
    else:
        with _cluster(scheduler, store) as pool:
            yield pool


@contextmanager
def _cluster(scheduler: str, store: Store) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "A cluster needs the package distributed, which is not installed.",
            remedy="Install it: pip install 'resilience[dask]'. Or use --jobs.",
        ) from None
    parts = urlsplit(scheduler)
    try:
        named = bool(parts.scheme and parts.hostname and parts.port)
    except ValueError:
        named = False
    if not named:
        raise InputError(
            "That is no address of a Dask scheduler.",
            where=scheduler,
            remedy="Give one such as tcp://10.0.0.5:8786.",
        )
    try:
        client = Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"No Dask scheduler answers: {str(error)[:200]}",
            where=scheduler,
            remedy="Start one (`dask scheduler`) and give its address, for example tcp://10.0.0.5:8786.",
        ) from None
    with client:
        check(client, scheduler, store)
        yield client.get_executor(pure=False)


def check(client: Any, scheduler: str, store: Store) -> None:
    """Raises InputError unless every worker of `client` has this package and sees `store` where we do."""
    mine = seen(store.address)
    try:
        found = client.run(seen, store.address, on_error="return")
    except Exception as error:
        raise InputError(
            f"The workers could not be asked: {str(error)[:200]}",
            where=scheduler,
            remedy="Look at their logs.",
        ) from None
    if not found:
        raise InputError(
            "The scheduler has no worker.", where=scheduler, remedy=f"Start some: `dask worker {scheduler}`."
        )
    wrong = Counter(
        trouble for answer in found.values() if (trouble := _trouble(answer, mine, store.address)) is not None
    )
    if wrong:
        (said, count), *_ = wrong.most_common(1)
        raise InputError(
            f"{count} of {len(found)} worker(s) cannot do it: {said}",
            where=scheduler,
            remedy="Put the store on a path that all workers share, and this version of the package on each.",
        )


def seen(root: str) -> dict[str, str | None]:
    """What a process finds: its version of the package, and which series table lies at `root`."""
    try:
        return {"package": __version__, "table": Store(root).identity("series")}
    except InputError as error:
        return {"package": __version__, "table": None, "trouble": str(error)}


def _trouble(answer: Any, mine: dict[str, str | None], root: str) -> str | None:
    if not isinstance(answer, dict):
        return f"{type(answer).__name__}: {str(answer)[:120]}"
    if answer["package"] != mine["package"]:
        return f"version {answer['package']} of the package, here it is {mine['package']}."
    if answer["table"] is None:
        return str(answer.get("trouble") or f"there is no series table at {root}.")
    return None if answer == mine else f"another store lies at {root}."
