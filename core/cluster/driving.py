"""Tasks on a Dask cluster, each done once: what a killed worker, a slow one or a lost scheduler leaves undone is given out again.

A task leaves its result at a place of its own on a shared disk, whole or not at all, so what is there is never done again: neither after a
worker was lost nor by the next run, when this process itself was killed. Tasks that were given out go on while nobody watches.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.cluster.connecting import connected, dashboard_of, refuse_strange_workers
from core.cluster.where import Where
from core.errors import GroundlineError, JobError
from core.progress import OnProgress, ShouldStop, check, report
from core.words import counted

POLL_S, TELL_S = 0.25, 1.0
PATIENCE_S = 300.0
"""How long a lost scheduler, or one without workers, is waited for."""
SLOW_FACTOR, SLOW_S = 4.0, 30.0
"""A task is given to a second worker when others idle and it takes so many times the median, and at least so many seconds."""


@dataclass(frozen=True)
class Task:
    """One piece of work: its `name`, unique in the job, and what the function is called with.

    `result` is the file or folder that it leaves, whole or not at all; `weight` its share of the progress.
    """

    name: str
    arguments: tuple[Any, ...]
    result: Path
    weight: float = 1.0


@dataclass
class Driven:
    """How a job went: tasks done now, those found done, how many were given out again, workers at most, and where Dask shows it."""

    done: int = 0
    found: int = 0
    repeated: int = 0
    workers: int = 0
    dashboard: str | None = None
    seconds: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """The figures as plain values; `dashboard` is the address of Dask's own pages, None where it has none."""
        named = ("workers", "done", "found", "repeated", "dashboard")
        return {name: getattr(self, name) for name in named}


def drive(
    where: Where,
    job: str,
    function: Callable[..., Any],
    tasks: Callable[[int], Sequence[Task]],
    *,
    on_done: Callable[[Task], None],
    shared: Path,
    message: str,
    twice: bool = True,
    share_of: Callable[[Task], float] = lambda task: 0.0,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Driven:
    """Run `function(*task.arguments)` on the cluster for each task whose result is not there, and `on_done` here for all, as they come.

    `tasks` makes them for a number of tasks that can run at a time; it is asked once. `job` names the work: a second run with the same
    name takes part in what the first one gave out. `twice` lets an idle worker do what another one is very slow with. `share_of` tells
    how far a running task is, 0 to 1. `shared` is the folder that workers must see. Raises what a task raises, Cancelled, SettingsError
    for workers that cannot help, and JobError when no scheduler or worker is found within `PATIENCE_S`, or when workers died of a task.
    """
    run = _Run(job, function, on_done, share_of, message, twice, on_progress, should_stop)
    lost_since: float | None = None
    while run.left is None or run.left:
        try:
            with ExitStack() as stack:
                client = stack.enter_context(connected(where))
                _wait_for_workers(client, run, lost_since or time.monotonic())
                refuse_strange_workers(client, shared)
                lost_since = None
                run.work(client, run.begin(client, tasks, dashboard_of(client, where)))
        except _LOST as error:
            check(should_stop)
            lost_since = lost_since or time.monotonic()
            if time.monotonic() - lost_since > PATIENCE_S:
                raise JobError(
                    f"no scheduler at {where.address} ({type(error).__name__})",
                    expected="a running Dask scheduler with workers",
                    do="Start it again; what is finished is kept",
                ) from error
            run.say("Waiting for the scheduler")
            time.sleep(1)
    return run.driven


class _SchedulerLost(Exception):
    """Futures were forgotten: the scheduler is another one than they were given to."""


_LOST = (OSError, asyncio.TimeoutError, asyncio.CancelledError, concurrent.futures.CancelledError, _SchedulerLost)


def _wait_for_workers(client: Any, run: _Run, since: float) -> None:
    while not client.scheduler_info(n_workers=-1)["workers"]:
        check(run.should_stop)
        if time.monotonic() - since > PATIENCE_S:
            raise JobError("a scheduler without workers", expected="at least one Dask worker", do="Start workers; what is finished is kept")
        run.say("Waiting for workers")
        time.sleep(1)


class _Run:
    """What one call of `drive` knows; `left` are the tasks to do, None before they are made."""

    def __init__(self, job, function, on_done, share_of, message, twice, on_progress, should_stop):
        self.job, self.function, self.on_done, self.share_of = job, function, on_done, share_of
        self.message, self.twice, self.on_progress, self.should_stop = message, twice, on_progress, should_stop
        self.left: dict[str, Task] | None = None
        self.whole = 0.0
        self.driven = Driven()

    def say(self, message: str) -> None:
        if self.left is None:
            report(self.on_progress, 0, 0, message)
            return
        behind = self.whole - sum(task.weight * (1 - self.share_of(task)) for task in self.left.values())
        report(self.on_progress, round(1000 * behind), round(1000 * self.whole), message)

    def begin(self, client: Any, tasks: Callable[[int], Sequence[Task]], dashboard: str | None) -> dict[str, Task]:
        """Make the tasks at the first time, take what an earlier run, or a worker that nobody watched, has left, and give the others."""
        workers = client.scheduler_info(n_workers=-1)["workers"]
        self.driven.workers = max(self.driven.workers, len(workers))
        self.driven.dashboard = dashboard
        again = self.left is not None
        if self.left is None:
            made = tasks(sum(worker["nthreads"] for worker in workers.values()))
            self.left, self.whole = {task.name: task for task in made}, sum(task.weight for task in made)
        for task in list(self.left.values()):
            if task.result.exists():
                self._take(task, self.left)
                if again:  # this run gave it out itself, and was away when it was finished
                    self.driven.done += 1
                else:
                    self.driven.found += 1
        return self.left

    def _take(self, task: Task, left: dict[str, Task]) -> None:
        self.on_done(task)
        del left[task.name]

    def work(self, client: Any, left: dict[str, Task]) -> None:
        """Give out all that is left, and take what comes, until nothing is left."""
        from distributed import fire_and_forget

        futures = {task.name: [self._submit(client, task)] for task in left.values()}
        # They go on while nobody watches: the next run finds what they left.
        fire_and_forget([future for each in futures.values() for future in each])
        started: dict[str, float] = {}
        told = 0.0
        try:
            while left:
                check(self.should_stop)
                self._look(client, left, futures, started)
                if time.monotonic() - told > TELL_S:
                    told = time.monotonic()
                    self._hurry(client, left, futures, started)
                    pages = f", {self.driven.dashboard} shows them" if self.driven.dashboard else ""
                    self.say(f"{self.message} on {counted(self.driven.workers, 'worker')}{pages}")
        except _LOST:
            raise
        except BaseException:  # the work was stopped, or cannot be done: nobody shall go on with it
            self._cancel(client, [future for name in left for future in futures[name]])
            raise

    def _submit(self, client: Any, task: Task, *, again: int = 0, workers: Sequence[str] = ()) -> Any:
        name = f"groundline-{self.job}-{task.name}" + (f"-{again}" if again else "")
        where = {"workers": list(workers), "allow_other_workers": False} if workers else {}
        return client.submit(_once, self.function, str(task.result), task.arguments, key=name, retries=0, **where)

    def _look(self, client: Any, left: dict[str, Task], futures: dict[str, list[Any]], started: dict[str, float]) -> None:
        from distributed import wait

        flat = [future for name in left for future in futures[name]]
        try:
            with client.as_current():
                wait(flat, timeout=POLL_S, return_when="FIRST_COMPLETED")
        except TimeoutError:
            if client.status != "running":
                raise _SchedulerLost from None
        for task in list(left.values()):
            if self._settled(task, left, futures[task.name], started):
                # Held any longer, the answer of a worker that dies later would be worked out once more.
                del futures[task.name]

    def _settled(self, task: Task, left: dict[str, Task], futures: list[Any], started: dict[str, float]) -> bool:
        name = task.name
        states = {future.status for future in futures}
        if "finished" in states:
            if not task.result.exists():
                raise JobError(
                    f"a worker that finished {name} and left nothing",
                    expected="one shared folder for the output, under the same path on every machine",
                    do="Write to a folder that all machines share",
                )
            if name in started:
                self.driven.seconds.append(time.monotonic() - started[name])
            self._take(task, left)
            self.driven.done += 1
            for future in futures:
                if future.status == "pending":
                    future.cancel(force=True)
            return True
        if "error" in states:
            failed = next(future for future in futures if future.status == "error")
            raise _told(failed.exception(), name)
        if states <= {"cancelled", "lost"}:
            raise _SchedulerLost
        return False

    def _hurry(self, client: Any, left: dict[str, Task], futures: dict[str, list[Any]], started: dict[str, float]) -> None:
        """Notice which tasks run, and give one that is far slower than the others to an idle worker too."""
        processing: Mapping[str, Sequence[str]] = client.processing()
        self.driven.workers = max(self.driven.workers, len(processing))
        on_worker: dict[str, str] = {}
        for worker, keys in processing.items():
            for key in keys:
                on_worker[str(key)] = worker
        now = time.monotonic()
        for name in left:
            if f"groundline-{self.job}-{name}" in on_worker:
                started.setdefault(name, now)
        idle = [worker for worker, keys in processing.items() if not keys]
        if not idle or not self.twice or len(self.driven.seconds) < 3:
            return
        usual = sorted(self.driven.seconds)[len(self.driven.seconds) // 2]
        for name, task in left.items():
            if idle and len(futures[name]) == 1 and now - started.get(name, now) > max(SLOW_S, SLOW_FACTOR * usual):
                futures[name].append(self._submit(client, task, again=1, workers=[idle.pop()]))
                self.driven.repeated += 1

    def _cancel(self, client: Any, futures: list[Any]) -> None:
        try:
            client.cancel(futures, force=True)
        except _LOST:
            return


def _once(function: Callable[..., Any], result: str, arguments: Sequence[Any]) -> None:
    """Do a task on a worker, unless its result is there: of another worker, or of one that died when it had just left it."""
    if not Path(result).exists():
        function(*arguments)


def _told(error: BaseException | None, name: str) -> BaseException:
    """What a task raised, as the person who started it is told."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return JobError(
            f"{name}, of which {error.allowed_failures + 1} workers died",
            expected="workers with enough memory",
            do="Give them more, or choose smaller patches; what is finished is kept",
        )
    if error is None or isinstance(error, GroundlineError):
        return error or JobError(f"{name} without an answer", expected="a result", do="Start it again")
    return error
