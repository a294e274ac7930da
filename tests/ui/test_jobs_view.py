import time
from pathlib import Path

from ui import jobs_view


class Ended:
    """A finished job's kind and result."""

    def __init__(self, kind, result):
        self.kind, self._result = kind, result

    def result(self):
        return self._result


def test_what_jobs_leave_behind():
    assert jobs_view.made(Ended("predict", {"folder": "/p"})) == jobs_view.Made(prediction=Path("/p"))
    assert jobs_view.made(Ended("prepare", {"folder": "/d"})) == jobs_view.Made(prepared=Path("/d"))
    files = [{"path": "/l/a.csv", "features": 3}, {"path": "/l/a.gpkg", "features": 3}]
    assert jobs_view.made(Ended("vectorize", {"files": files})) == jobs_view.Made(layer=Path("/l/a.gpkg"))
    demo = {"predict": {"folder": "/p"}, "files": files}
    assert jobs_view.made(Ended("demo", demo)) == jobs_view.Made(prediction=Path("/p"), layer=Path("/l/a.gpkg"))
    assert jobs_view.made(Ended("predict", None)) == jobs_view.Made()
    assert jobs_view.made(Ended("train", {"folder": "/m"})) == jobs_view.Made()


def test_the_time_left_runs_down_between_two_reports_and_is_left_away_when_it_is_over():
    told = {"state": "running", "eta_s": 60.0, "heartbeat": time.time() - 20}
    assert jobs_view.time_left(told) == "about 40 s left"
    assert jobs_view.time_left({**told, "heartbeat": time.time() - 70}) == ""
    assert jobs_view.time_left({**told, "state": "paused"}) == "" == jobs_view.time_left({**told, "eta_s": None})


def test_the_share_of_work_whose_length_is_not_known_is_nothing():
    assert jobs_view.share({"done": 3, "total": 12}) == 0.25
    assert jobs_view.share({"done": 3, "total": 0}) == 0.0 == jobs_view.share({"done": None, "total": None})
    assert jobs_view.share({"done": 5, "total": 4}) == 1.0
