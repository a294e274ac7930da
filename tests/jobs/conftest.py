"""Fixtures of the job tests: a workspace of its own, the counting kinds, and a way to wait for a state."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.jobs.jobs import Job, list_jobs
from core.verbs.registry import EXTRA_VERBS_VARIABLE
from core.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """An empty workspace whose workers know the counting kinds; none of them outlives the test."""
    monkeypatch.setenv(EXTRA_VERBS_VARIABLE, "tests.jobs.extra_kinds")
    made = Workspace(tmp_path / "workspace")
    yield made
    for job in list_jobs(made):
        job.kill()


@pytest.fixture
def wait_for() -> Callable[..., dict]:
    """Wait until a job's status fulfils a condition (a state's name or a function) and return that status."""

    def wait(job: Job, condition: str | Callable[[dict], bool], seconds: float = 60.0) -> dict:
        fulfils = condition if callable(condition) else (lambda status: status["state"] == condition)
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            status = job.status()
            if fulfils(status):
                return status
            time.sleep(0.02)
        pytest.fail(f"{job.name} did not get there: {job.status()}\n{job.log_tail()}")

    return wait
