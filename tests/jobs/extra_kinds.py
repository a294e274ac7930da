"""Cheap kinds of work for the job tests: they count instead of computing. Workers find them by GROUNDLINE_EXTRA_KINDS."""

from __future__ import annotations

import time
from pathlib import Path

from core.errors import SceneError
from core.jobs.kinds import Kind
from core.progress import check, report


def count(request, *, on_progress, should_stop, on_event):
    """Count to `ticks`, one line of the file `out` each; on resume go on after the last line, as training does."""
    out = Path(request["out"])
    first = len(out.read_text().splitlines()) if request["resume"] and out.exists() else 0
    for tick in range(first, request["ticks"]):
        check(should_stop)
        time.sleep(request["tick_s"])
        with out.open("a") as file:
            file.write(f"{tick}\n")
        report(on_progress, tick + 1, request["ticks"], "Counting")
        on_event({"type": "epoch", "epoch": tick + 1})
    return {"counted": request["ticks"], "first": first}


def fail(request, **_):
    """Fail as a user's mistake does, or as a mistake of ours does."""
    print("about to fail")
    if request["ours"]:
        raise ZeroDivisionError("a mistake\nof ours")
    raise SceneError("a text file", expected="an image", do="Choose another file")


_COUNT = {"out": None, "ticks": 200, "tick_s": 0.02, "resume": False}

KINDS = {
    "count": Kind(count, (), _COUNT, ("out",), place="layers"),
    "count_heavily": Kind(count, (), _COUNT, ("out",), place="layers", heavy=True),
    "fail": Kind(fail, (), {"ours": False}, ()),
}
