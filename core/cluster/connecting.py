"""A Dask client for where work is to run: workers of our own on this machine, or those of a scheduler, looked at before they work."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import platform
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from core import __version__
from core.cluster.where import Where, cores
from core.errors import SettingsError
from core.workspace import PROJECT

WORKER_BYTES = 1536 << 20
"""What a worker on this machine is expected to take at most: a network, and the 1 GiB of the work beside it."""
CONNECT_S = 20.0
_LOUD = ("distributed", "tornado", "asyncio")
# One core for each task: as many tasks run at a time as there are workers.
_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")}


@contextmanager
def connected(where: Where) -> Iterator[Any]:
    """A `distributed.Client`; workers that were started for it end with it.

    Raises SettingsError where Dask is not installed, and OSError while no scheduler answers.
    """
    if importlib.util.find_spec("distributed") is None:
        raise SettingsError(
            "no Dask on this machine", expected="the package distributed", do="Install it with pip, or leave --cluster away"
        )
    from distributed import Client

    # A lost scheduler or worker is told, and mended, by us; Dask gives each of its loggers a level of its own.
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] in _LOUD:
            logging.getLogger(name).setLevel(logging.CRITICAL)
    if where.address is not None:
        client = Client(where.address, timeout=CONNECT_S, set_as_default=False)
        try:
            yield client
        finally:
            with suppress(OSError, asyncio.TimeoutError):
                client.close(timeout=5)
        return
    with _local(where.workers or local_workers()) as cluster, Client(cluster, set_as_default=False) as client:
        yield client


def dashboard_of(client: Any, where: Where) -> str | None:
    """The address of Dask's own pages about its work; None where there are none, for which Dask needs bokeh."""
    if where.address is None and importlib.util.find_spec("bokeh") is None:
        return None
    try:
        return client.dashboard_link if "dashboard" in client.scheduler_info(n_workers=0)["services"] else None
    except (KeyError, TypeError):
        return None


def local_workers() -> int:
    """Workers that the cores and the free memory of this machine allow, at least one."""
    return max(1, min(cores(), psutil.virtual_memory().available // WORKER_BYTES))


@contextmanager
def _local(workers: int) -> Iterator[Any]:
    import dask
    from distributed import LocalCluster

    paths = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH", "")]))
    environment = {**_ONE_THREAD, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": paths}
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": environment}),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, memory_limit=0, dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL
        ) as cluster,
    ):
        yield cluster


def refuse_strange_workers(client: Any, folder: Path) -> None:
    """Raise SettingsError where a worker cannot do our work: it lacks Groundline, has another version, or does not see `folder`."""
    token = folder / f".seen-{uuid.uuid4().hex}"
    token.touch()
    try:
        told = client.run(look_around, str(token), on_error="return")
    finally:
        token.unlink(missing_ok=True)
    here = {"groundline": __version__, "python": platform.python_version_tuple()[:2]}
    for worker, answer in told.items():
        if isinstance(answer, OSError):
            continue  # it died meanwhile, which is no reason to refuse the others
        if isinstance(answer, BaseException):
            raise SettingsError(
                f"a worker at {worker} that cannot load Groundline ({type(answer).__name__}: {str(answer)[:120]})",
                expected=f"Groundline {__version__} on every worker",
                do="Install it there, or put the checkout on its PYTHONPATH",
            )
        if {name: answer[name] for name in here} != here:
            raise SettingsError(
                f"a worker at {worker} with Groundline {answer['groundline']} on Python {'.'.join(answer['python'])}",
                expected=f"Groundline {__version__} on Python {'.'.join(here['python'])} as here",
                do="Install the same versions on every worker",
            )
        if not answer["sees"]:
            raise SettingsError(
                f"a worker at {worker} that does not see {folder}",
                expected="one shared folder for the output, under the same path on every machine",
                do="Write to a folder that all machines share",
            )


def look_around(token: str) -> dict[str, Any]:
    """What a worker says of itself before it gets work."""
    return {"groundline": __version__, "python": platform.python_version_tuple()[:2], "sees": Path(token).exists()}
