"""The worker by itself: exit codes, what it refuses, and what it says of a failure."""

import json
import subprocess
import sys

import psutil

from core.jobs import records, worker
from core.jobs.jobs import EXIT_BUSY, Job
from core.workspace import PROJECT, Workspace


def job_of(workspace: Workspace, kind: str, request: dict) -> Job:
    """A job folder as `start` writes it, without a worker."""
    folder = workspace.runs / f"20260101-000000-{kind}"
    folder.mkdir()
    records.write_patiently(folder / records.REQUEST, {"kind": kind, "title": None, "request": request})
    records.write_patiently(folder / records.STATUS, records.blank_status("starting"))
    return Job(folder)


def work(job: Job, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "core.jobs.worker", str(job.folder), *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, timeout=120)


def test_it_leaves_0_after_work_done_and_takes_back_an_old_wish(workspace, tmp_path):
    job = job_of(workspace, "count", {"out": str(tmp_path / "out"), "ticks": 2, "tick_s": 0.0, "resume": False})
    records.write_control(job.folder, "stop")
    assert work(job, "--token", "mine").returncode == 0
    assert job.result() == {"counted": 2, "first": 0}
    assert job.status()["worker"] == "mine"


def test_it_resumes_only_when_told_to(workspace, tmp_path):
    (tmp_path / "out").write_text("0\n1\n")
    job = job_of(workspace, "count", {"out": str(tmp_path / "out"), "ticks": 3, "tick_s": 0.0, "resume": False})
    work(job, "--resume")
    assert job.result()["first"] == 2
    assert json.loads((job.folder / records.REQUEST).read_text())["request"]["resume"] is False


def test_it_leaves_1_after_a_failure_and_forgets_an_older_answer(workspace):
    job = job_of(workspace, "fail", {})
    records.write_patiently(job.folder / records.RESULT, {"old": True})
    done = work(job)
    assert done.returncode == 1 and "SceneError" in done.stderr
    assert job.status()["state"] == "failed" and job.result() is None


def test_a_kind_that_is_gone_is_said_in_one_line(workspace):
    job = job_of(workspace, "dance", {})
    assert work(job).returncode == 1
    assert job.status()["error"].startswith("unknown kind of job 'dance'. Expected one of ")


def test_it_leaves_75_when_the_job_has_a_worker_and_touches_nothing(workspace):
    job = job_of(workspace, "fail", {})
    before = (job.folder / records.STATUS).read_text()
    with records.worker_lock(job.folder):
        assert work(job).returncode == EXIT_BUSY == 75
    assert (job.folder / records.STATUS).read_text() == before


def test_nobody_is_asked_for_a_higher_priority_than_he_has(monkeypatch):
    asked = []

    class Process:
        def nice(self, value=None):
            if value is None:
                return 15
            asked.append(value)

    monkeypatch.setattr(psutil, "Process", Process)
    monkeypatch.setattr(sys, "platform", "linux")
    worker.be_nice()
    assert asked == [15]
