"""Tasks on real Dask processes: each is done once, whatever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from core.cluster import driving
from core.cluster.driving import Task, drive
from core.cluster.where import Where, cores, read_where
from core.errors import Cancelled, SceneError, SettingsError
from tests.helpers.dask_processes import ROOT, Processes, begun, slow


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    processes = Processes(tmp_path_factory.mktemp("dask"))
    processes.wait(2)
    yield processes
    processes.stop()


def tasks(folder: Path, count: int, seconds: float = 0.3):
    return lambda workers: [Task(f"part{k}", (str(folder), f"part{k}", seconds), folder / f"part{k}") for k in range(count)]


def run(address: str, folder: Path, made, function=slow, job: str = "", **more):
    seen: list[str] = []
    driven = drive(
        Where(address),
        job or folder.name,
        function,
        made,
        on_done=lambda task: seen.append(task.name),
        shared=folder,
        message="Working",
        **more,
    )
    return driven, seen


def in_time(condition, seconds: float = 30.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.05)


def meanwhile(function):
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("none", None),
        ("", None),
        ("local", Where(workers=0)),
        ("local:3", Where(workers=3)),
        (" tcp://10.0.0.1:8786/ ", Where("tcp://10.0.0.1:8786")),
        ("tls://dask.example.org:8786", Where("tls://dask.example.org:8786")),
    ],
)
def test_where_work_runs_is_read(text, where):
    assert read_where(text) == where


@pytest.mark.parametrize("text", ["local:0", "local:two", "8", "tcp://host", "tcp://:8786", "http://host:1", "tcp://a b:1"])
def test_what_names_no_cluster_is_refused(text):
    with pytest.raises(SettingsError, match="local:N"):
        read_where(text)


def test_cores_are_those_that_the_process_may_use():
    assert 1 <= cores() <= (os.cpu_count() or 1)


def test_each_task_is_done_once_and_what_lies_there_is_not_done_again(dask, tmp_path):
    (tmp_path / "part1").write_text("from an earlier run")
    heard: list[tuple[int, int]] = []
    driven, seen = run(dask.address, tmp_path, tasks(tmp_path, 4, 0.05), on_progress=lambda done, total, words: heard.append((done, total)))
    assert sorted(seen) == [f"part{k}" for k in range(4)] and seen[0] == "part1"
    assert sorted(name for name, _ in begun(tmp_path)) == ["part0", "part2", "part3"]
    assert (driven.done, driven.found, driven.repeated, driven.workers) == (3, 1, 0, 2)
    assert {total for _, total in heard} <= {0, 4000} and [done for done, _ in heard] == sorted(done for done, _ in heard)


def test_the_number_of_workers_is_told_to_who_makes_the_tasks(dask, tmp_path):
    asked: list[int] = []

    def made(workers):
        asked.append(workers)
        return tasks(tmp_path, 1, 0)(workers)

    run(dask.address, tmp_path, made)
    assert asked == [2]


def fail(folder: str, name: str, seconds: float) -> None:
    raise SceneError(f"{name} that is no image", expected="an image", do="Name another file")


def test_what_a_task_raises_is_raised_here_and_the_rest_is_left(dask, tmp_path):
    with pytest.raises(SceneError, match="no image"):
        run(dask.address, tmp_path, tasks(tmp_path, 3), function=fail)


def test_a_stopped_job_gives_out_no_more(dask, tmp_path):
    with pytest.raises(Cancelled):
        run(dask.address, tmp_path, tasks(tmp_path, 8, 0.5), should_stop=lambda: (tmp_path / "part0").exists())
    time.sleep(0.8)
    there = len(begun(tmp_path))
    assert there < 8
    time.sleep(0.8)
    assert len(begun(tmp_path)) == there


def test_tasks_go_on_when_the_process_that_gave_them_out_is_killed(dask, tmp_path):
    code = f"""
from pathlib import Path
from tests.cluster.test_driving import run, tasks
folder = Path({str(tmp_path)!r})
run({dask.address!r}, folder, tasks(folder, 5, 0.4))
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    in_time(lambda: any((tmp_path / f"part{k}").exists() for k in range(5)))  # all are given out for good by then
    process.kill()
    process.wait()
    assert not (tmp_path / "part4").exists()
    in_time(lambda: all((tmp_path / f"part{k}").exists() for k in range(5)))
    driven, seen = run(dask.address, tmp_path, tasks(tmp_path, 5))
    assert (driven.done, driven.found, sorted(seen)) == (0, 5, [f"part{k}" for k in range(5)])
    assert sorted(name for name, _ in begun(tmp_path)) == [f"part{k}" for k in range(5)]


def test_a_task_on_a_worker_that_stands_still_is_given_to_another(dask, tmp_path, monkeypatch):
    monkeypatch.setattr(driving, "SLOW_S", 1.0)
    monkeypatch.setattr(driving, "TELL_S", 0.1)
    stopped: list[int] = []

    def stop_one():
        in_time(lambda: len(begun(tmp_path)) >= 5)
        stopped.append(begun(tmp_path)[-1][1])
        os.kill(stopped[0], signal.SIGSTOP)

    thread = meanwhile(stop_one)
    driven, seen = run(dask.address, tmp_path, tasks(tmp_path, 6, 0.3))
    thread.join()
    os.kill(stopped[0], signal.SIGCONT)
    assert sorted(seen) == [f"part{k}" for k in range(6)]
    assert driven.repeated >= 1
    assert len(begun(tmp_path)) <= 8


def test_what_is_finished_while_the_scheduler_was_lost_counts_as_done(dask, tmp_path, monkeypatch):
    look = driving._Run._look
    lost: list[str] = []

    def looked(self, client, left, *others):
        if len(left) == 4 and not lost:
            in_time(lambda: sum(task.result.exists() for task in left.values()) >= 2)
            lost.append("once")
            raise driving._SchedulerLost
        look(self, client, left, *others)

    monkeypatch.setattr(driving._Run, "_look", looked)
    driven, seen = run(dask.address, tmp_path, tasks(tmp_path, 6, 0.2))
    assert lost and sorted(seen) == [f"part{k}" for k in range(6)] and len(seen) == 6
    assert (driven.done, driven.found) == (6, 0)
    assert len(begun(tmp_path)) == 6


def test_a_killed_worker_costs_only_what_it_had_in_hand(tmp_path):
    dask = Processes(tmp_path, workers=2)
    try:
        dask.wait(2)
        folder = tmp_path / "out"
        folder.mkdir()

        def kill_one():
            in_time(lambda: len(begun(folder)) >= 3)
            os.kill(begun(folder)[-1][1], signal.SIGKILL)

        thread = meanwhile(kill_one)
        driven, seen = run(dask.address, folder, tasks(folder, 8))
        thread.join()
        assert sorted(seen) == [f"part{k}" for k in range(8)] and len(seen) == 8
        # Begun twice: what the killed one had in hand, and no more.
        assert len(begun(folder)) == 9 and driven.done == 8

        # The scheduler dies too, with all workers; when another one stands there, the job goes on behind what is finished.
        later = tmp_path / "later"
        later.mkdir()
        dask.start_worker()

        def restart():
            in_time(lambda: (later / "part1").exists())
            dask.stop()
            dask.workers.clear()
            dask.start_scheduler()
            dask.start_worker()

        thread = meanwhile(restart)
        driven, seen = run(dask.address, later, tasks(later, 8))
        thread.join()
        assert sorted(seen) == [f"part{k}" for k in range(8)] and len(seen) == 8
        names = [name for name, _ in begun(later)]
        assert names.count("part0") == 1 and len(names) <= 10
    finally:
        dask.stop()


def test_workers_that_see_another_disk_are_refused(dask, tmp_path, monkeypatch):
    from core.cluster import connecting

    class Blind:
        def run(self, function, token, on_error):
            return {"tcp://far:1": {**connecting.look_around(token), **self.told}}

    blind = Blind()
    blind.told = {"sees": False}
    with pytest.raises(SettingsError, match="does not see"):
        connecting.refuse_strange_workers(blind, tmp_path)
    blind.told = {"groundline": "0.0.1"}
    with pytest.raises(SettingsError, match=r"Groundline 0\.0\.1"):
        connecting.refuse_strange_workers(blind, tmp_path)
    monkeypatch.setattr(blind, "run", lambda *a, **k: {"tcp://far:1": ModuleNotFoundError("No module named 'core'")}, raising=False)
    with pytest.raises(SettingsError, match="cannot load Groundline"):
        connecting.refuse_strange_workers(blind, tmp_path)
    assert list(tmp_path.iterdir()) == []
