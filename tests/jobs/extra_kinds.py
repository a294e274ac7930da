"""Cheap kinds of work for the job tests: they count instead of computing. Workers find them by GROUNDLINE_EXTRA_KINDS."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from core.errors import SceneError
from core.progress import check, report
from core.settings import Settings, setting
from core.verbs.verb import Verb


@dataclass(frozen=True)
class Count(Settings):
    """How far to count, and how fast."""

    out: Path | None = setting(None, "file for the numbers")
    ticks: int = setting(200, "how far")
    tick_s: float = setting(0.02, "seconds for each")
    resume: bool = setting(False, "go on after the last one")


@dataclass(frozen=True)
class Fail(Settings):
    """Whose mistake it is."""

    ours: bool = setting(False, "not the user's")


def count(asked, *, on_progress, should_stop, on_event):
    """Count to `ticks`, one line of the file `out` each; on resume go on after the last line, as training does."""
    first = len(asked.out.read_text().splitlines()) if asked.resume and asked.out.exists() else 0
    for tick in range(first, asked.ticks):
        check(should_stop)
        time.sleep(asked.tick_s)
        with asked.out.open("a") as file:
            file.write(f"{tick}\n")
        report(on_progress, tick + 1, asked.ticks, "Counting")
        on_event({"type": "epoch", "epoch": tick + 1})
    return {"counted": asked.ticks, "first": first}


def fail(asked, **_):
    """Fail as a user's mistake does, or as a mistake of ours does."""
    print("about to fail")
    if asked.ours:
        raise ZeroDivisionError("a mistake\nof ours")
    raise SceneError("a text file", expected="an image", do="Choose another file")


VERBS = {
    "count": Verb("count", Count, count, place="layers"),
    "count_heavily": Verb("count_heavily", Count, count, place="layers", heavy=True),
    "fail": Verb("fail", Fail, fail),
}
