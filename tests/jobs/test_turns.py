"""The queue of heavy jobs: one at a time, first come first served, and no dead job blocks it."""

import itertools
import time

import psutil

from core.jobs.jobs import start

ENDLESS = {"ticks": 100_000}


def test_heavy_jobs_run_one_at_a_time_in_the_order_of_their_start(workspace, wait_for):
    first = start("count_heavily", ENDLESS, workspace=workspace, title="first")
    wait_for(first, "running")
    others = [start("count_heavily", {"ticks": 3}, workspace=workspace, title=title) for title in ("b", "a")]
    status = wait_for(others[0], lambda status: status["waits_for"] is not None)
    assert (status["state"], status["waits_for"], status["message"]) == ("queued", first.name, f"Waiting for {first.name}")
    assert wait_for(others[1], lambda status: status["waits_for"] is not None)["waits_for"] == others[0].name
    first.stop()
    spans = []
    for job in (first, *others):
        status = wait_for(job, lambda status: status["finished"] is not None)
        spans.append((status["started"], status["finished"]))
    # No two spans overlap, and they follow one another as they were started.
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans))


def test_light_jobs_do_not_wait(workspace, wait_for):
    heavy = start("count_heavily", ENDLESS, workspace=workspace)
    wait_for(heavy, "running")
    wait_for(start("count", {"ticks": 2}, workspace=workspace), "finished")
    assert heavy.status()["state"] == "running"


def test_a_queued_job_can_be_stopped(workspace, wait_for):
    heavy = start("count_heavily", ENDLESS, workspace=workspace)
    wait_for(heavy, "running")
    queued = start("count_heavily", ENDLESS, workspace=workspace)
    wait_for(queued, "queued")
    queued.stop()
    assert wait_for(queued, "stopped")["started"] is None


def test_the_queue_goes_on_when_the_running_job_is_killed(workspace, wait_for):
    heavy = start("count_heavily", ENDLESS, workspace=workspace)
    pid = wait_for(heavy, "running")["pid"]
    queued = [start("count_heavily", {"ticks": 2}, workspace=workspace) for _ in range(2)]
    dead = psutil.Process(wait_for(queued[0], "queued")["pid"])
    dead.kill()
    dead.wait(10)
    psutil.Process(pid).kill()
    wait_for(queued[1], "finished")
    assert (heavy.status()["state"], queued[0].status()["state"]) == ("died", "died")


def test_a_paused_job_keeps_its_turn_and_the_next_one_says_so(workspace, wait_for):
    heavy = start("count_heavily", ENDLESS, workspace=workspace)
    wait_for(heavy, "running")
    heavy.pause()
    wait_for(heavy, "paused")
    queued = start("count_heavily", {"ticks": 1}, workspace=workspace)
    assert wait_for(queued, lambda status: status["waits_for"] is not None)["waits_for"] == heavy.name
    time.sleep(0.5)
    assert queued.status()["state"] == "queued"
    heavy.stop()
    wait_for(queued, "finished")
