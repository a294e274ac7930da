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
