"""Verb compare: compare two evaluations, scene by scene."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.files import write_json
from core.progress import OnProgress, ShouldStop
from core.settings import REQUIRED, Settings, setting
from core.verbs.tables import known, score, table
from core.verbs.verb import Answer, Verb


@dataclass(frozen=True)
class CompareRequest(Settings):
    """What `compare` can be told."""

    first: Path = setting(REQUIRED, "folder that `evaluate --out` wrote", flag="FIRST")
    second: Path = setting(REQUIRED, "another one, of the same scenes", flag="SECOND")
    out: Path | None = setting(None, "folder for maps of where the two disagree", metavar="FOLDER")
    optimistic: bool = setting(False, "FIRST is of a random split, SECOND of held-out scenes: show both")


def run(asked: CompareRequest, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, **_: Any) -> Answer:
    """Compare two evaluation folders; `out` takes the result, and maps of where they disagree unless they score other scenes."""
    from core.evaluation.comparing import COMPARISON_FILE, compare, optimistic_against_honest, write_disagreement
    from core.evaluation.result import Evaluation

    first, second = Evaluation.load(asked.first), Evaluation.load(asked.second)
    found = optimistic_against_honest(first, second) if asked.optimistic else compare(first, second)
    answer = {**found.summary(), "folder": None if asked.out is None else str(asked.out), "disagreement": {}}
    if asked.out is not None and asked.optimistic:
        asked.out.mkdir(parents=True, exist_ok=True)
        write_json(asked.out / COMPARISON_FILE, answer)
    elif asked.out is not None:
        answer["disagreement"] = write_disagreement(
            first, second, asked.out, answer=answer, on_progress=on_progress, should_stop=should_stop
        )
    return answer


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """Both scores and their difference, with its interval."""
    yield f"{answer['second']} against {answer['first']}, {answer['scenes']} scenes"
    yield answer["text"]
    rows = [
        (row["class"] or row["score"], score(row["first"]), score(row["second"]), _signed(row["difference"]), _between(row))
        for row in answer["rows"]
    ]
    yield from table(("score", "first", "second", "difference", "95 % interval"), rows)
    yield from answer["notes"]
    if answer["folder"]:
        yield f"Written to {answer['folder']}"


def _signed(value: float | None) -> str:
    return known(value, "+.4f")


def _between(row: Mapping[str, Any]) -> str:
    return "-" if row["low"] is None else f"{_signed(row['low'])} to {_signed(row['high'])}"


VERB = Verb("compare", CompareRequest, run, summary, place="evaluations")
