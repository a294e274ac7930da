"""Jobs with real processes: started once whatever happens, steered within a step, never thought alive when dead."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from core.errors import JobBusy, JobError, SettingsError
from core.jobs import records
from core.jobs.jobs import EXIT_BUSY, Job, list_jobs, start
from core.workspace import PROJECT

ENDLESS = {"ticks": 100_000}

RESUME = """
import sys
from core.errors import JobBusy
from core.jobs.jobs import Job
job = Job.open(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
try:
    job.resume()
    print("started")
except JobBusy:
    print("busy")
"""

START = """
import sys
from core.errors import JobBusy
from core.jobs.jobs import start
from core.workspace import Workspace
workspace = Workspace(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
try:
    start("count", {"ticks": 100_000, "out": sys.argv[2]}, workspace=workspace)
    print("started")
except JobBusy:
    print("busy")
"""


def six_at_once(code: str, *arguments: str) -> list[str]:
    """Run `code` in six processes that wait for one another, and return the last word of each."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
        )
        for _ in range(6)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return [process.communicate(timeout=90)[0].strip() for process in processes]


def workers_of(job: Job) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "core.jobs.worker" in command and str(job.folder) in command:
            found.append(process)
    return found


def counted(job: Job) -> list[int]:
    return [int(line) for line in Path(job.request["out"]).read_text().splitlines()]


def test_a_job_runs_in_a_process_of_its_own_and_leaves_its_answer(workspace, wait_for):
    job = start("count", {"ticks": 5}, workspace=workspace, title="Five: a test!")
    assert job.name[8] == "-" and job.name[:8].isdigit() and job.name.endswith("-five-a-test")
    status = wait_for(job, "finished")
    assert status["pid"] != os.getpid()
    assert (status["done"], status["total"], status["error"]) == (5, 5, None)
    assert status["created"] <= status["started"] <= status["finished"]
    assert job.result() == {"counted": 5, "first": 0}
    assert [event["epoch"] for event in job.events("epoch")] == [1, 2, 3, 4, 5]
    assert [event["state"] for event in job.events("state")] == ["running", "finished"]
    assert job.request["out"] == str(workspace.layers / job.name)
    assert counted(job) == [0, 1, 2, 3, 4]
    assert job.title == "Five: a test!"


def test_the_worker_steps_back_behind_the_users_programs(workspace, wait_for):
    job = start("count", ENDLESS, workspace=workspace)
    worker = psutil.Process(wait_for(job, "running")["pid"])
    if sys.platform == "win32":
        assert worker.nice() == psutil.BELOW_NORMAL_PRIORITY_CLASS
    else:
        assert worker.nice() >= 10
        assert os.getsid(worker.pid) != os.getsid(0)


def test_stop_ends_it_within_a_step(workspace, wait_for):
    job = start("count", ENDLESS, workspace=workspace)
    wait_for(job, lambda status: status["done"] > 0)
    job.stop()
    status = wait_for(job, "stopped")
    assert status["error"] is None and status["eta_s"] is None
    assert job.result() is None
    psutil.wait_procs(workers_of(job), timeout=10)
    assert not workers_of(job)
    job.stop()
    assert job.status()["state"] == "stopped"


def test_pause_holds_it_and_resume_lets_it_go_on_in_the_same_process(workspace, wait_for):
    job = start("count", ENDLESS, workspace=workspace)
    pid = wait_for(job, lambda status: status["done"] > 0)["pid"]
    job.pause()
    wait_for(job, "paused")
    held = counted(job)
    time.sleep(0.5)
    assert counted(job) == held
    job.resume()
    status = wait_for(job, lambda status: status["state"] == "running" and status["done"] > len(held))
    assert status["pid"] == pid


def test_a_paused_job_can_be_stopped(workspace, wait_for):
    job = start("count", ENDLESS, workspace=workspace)
    job.pause()
    wait_for(job, "paused")
    job.stop()
    wait_for(job, "stopped")


def test_a_pause_does_not_take_back_a_stop(workspace, wait_for):
    job = start("count", ENDLESS, workspace=workspace)
    wait_for(job, "running")
    job.stop()
    job.pause()
    wait_for(job, "stopped")


def test_a_killed_worker_is_died_at_once_and_its_job_can_be_resumed(workspace, wait_for):
    job = start("count", {"ticks": 300}, workspace=workspace)
    pid = wait_for(job, lambda status: status["done"] >= 3)["pid"]
    worker = psutil.Process(pid)
    worker.kill()
    worker.wait(10)
    status = job.status()
    assert status["state"] == "died" and "killed" in status["error"]
    assert json.loads((job.folder / "status.json").read_text())["state"] == "running"
    before = len(counted(job))
    job.resume()
    status = wait_for(job, "finished")
    assert status["pid"] != pid
    assert job.result() == {"counted": 300, "first": before}
    assert counted(job) == list(range(300))


def test_sigterm_is_a_stop(workspace, wait_for):
    if sys.platform == "win32":
        pytest.skip("Windows has no SIGTERM that a process can catch")
    job = start("count", ENDLESS, workspace=workspace)
    psutil.Process(wait_for(job, lambda status: status["done"] > 0)["pid"]).terminate()
    wait_for(job, "stopped")


def test_six_simultaneous_restarts_give_exactly_one_worker(workspace, wait_for):
    job = start("count", ENDLESS, workspace=workspace)
    job.stop()
    wait_for(job, "stopped")
    words = six_at_once(RESUME, str(job.folder))
    assert sorted(words) == ["busy"] * 5 + ["started"]
    assert len(workers_of(job)) == 1
    wait_for(job, lambda status: status["state"] == "running" and status["done"] > 0)


def test_six_simultaneous_starts_to_one_place_give_exactly_one_job(workspace, tmp_path):
    words = six_at_once(START, str(workspace.root), str(tmp_path / "out.txt"))
    assert sorted(words) == ["busy"] * 5 + ["started"]
    assert len(list_jobs(workspace)) == 1


def test_a_running_job_refuses_a_second_worker_a_restart_and_its_deletion(workspace, wait_for):
    job = start("count", ENDLESS, workspace=workspace)
    pid = wait_for(job, "running")["pid"]
    with pytest.raises(JobBusy):
        job.resume()
    with pytest.raises(JobBusy):
        job.delete()
    second = subprocess.run([sys.executable, "-m", "core.jobs.worker", str(job.folder)], cwd=PROJECT, timeout=60)
    assert second.returncode == EXIT_BUSY
    assert job.status()["pid"] == pid


def test_a_users_mistake_is_one_line_and_its_traceback_only_in_the_log(workspace, wait_for):
    job = start("fail", {}, workspace=workspace)
    status = wait_for(job, "failed")
    assert status["error"] == "a text file. Expected an image. Choose another file."
    assert "about to fail" in job.log_tail() and "Traceback" in job.log_tail(50)
    assert job.result() is None


def test_our_own_mistake_fails_with_its_name_on_one_line(workspace, wait_for):
    job = start("fail", {"ours": True}, workspace=workspace)
    assert wait_for(job, "failed")["error"] == "ZeroDivisionError: a mistake of ours"


def test_a_finished_job_is_not_resumed(workspace, wait_for):
    job = start("count", {"ticks": 1}, workspace=workspace)
    wait_for(job, "finished")
    with pytest.raises(JobError):
        job.resume()


def test_requests_are_checked_before_anything_starts(workspace):
    with pytest.raises(JobError, match="unknown kind"):
        start("dance", {}, workspace=workspace)
    with pytest.raises(SettingsError, match="'tick'"):
        start("count", {"tick": 3}, workspace=workspace)
    with pytest.raises(SettingsError, match="'dataset'"):
        start("audit", {}, workspace=workspace)
    assert list_jobs(workspace) == []


def test_a_deleted_job_comes_back_with_what_it_made(workspace, wait_for):
    job = start("count", {"ticks": 2}, workspace=workspace)
    wait_for(job, "finished")
    out = Path(job.request["out"])
    trash_id = job.delete(outputs=True)
    assert list_jobs(workspace) == [] and not out.exists()
    workspace.restore(trash_id)
    assert [found.name for found in list_jobs(workspace)] == [job.name]
    assert job.result() == {"counted": 2, "first": 0} and out.exists()


def test_deletion_leaves_outputs_outside_the_workspace_alone(workspace, wait_for, tmp_path):
    job = start("count", {"ticks": 1, "out": tmp_path / "mine.txt"}, workspace=workspace)
    wait_for(job, "finished")
    job.delete(outputs=True)
    assert (tmp_path / "mine.txt").read_text() == "0\n"


def test_jobs_are_listed_newest_first_by_kind_and_carry_notes(workspace, wait_for):
    first = start("count", {"ticks": 1}, workspace=workspace, title="same")
    second = start("count", {"ticks": 1}, workspace=workspace, title="same")
    failing = start("fail", {}, workspace=workspace)
    assert first.name != second.name
    names = [job.name for job in list_jobs(workspace)]
    assert names == sorted(names, reverse=True) and len(names) == 3
    assert [job.name for job in list_jobs(workspace, kinds=["fail"])] == [failing.name]
    first.annotate(note="the better one")
    first.annotate(title="Better")
    assert (first.title, first.note, second.title) == ("Better", "the better one", "same")


def test_a_folder_without_a_request_is_no_job(tmp_path):
    with pytest.raises(JobError, match="no job"):
        Job.open(tmp_path)


def test_a_job_that_never_got_its_worker_is_died_after_a_while(workspace):
    folder = workspace.runs / "20260101-000000-lost"
    folder.mkdir()
    (folder / records.REQUEST).write_text('{"kind": "count", "title": null, "request": {}}')
    status = records.blank_status("starting")
    records.write_patiently(folder / records.STATUS, status)
    assert Job.open(folder).status()["state"] == "starting"
    records.write_patiently(folder / records.STATUS, {**status, "heartbeat": time.time() - records.STARTING_GRACE_S - 1})
    assert Job.open(folder).status()["state"] == "died"


def test_the_log_shows_what_a_progress_bar_showed_last(workspace):
    folder = workspace.runs / "20260101-000000-bar"
    folder.mkdir()
    (folder / records.LOG).write_bytes(b"first\nstep 1\rstep 2\rstep 3\r\nlast\n")
    assert Job(folder).log_tail(2) == "step 3\nlast"
