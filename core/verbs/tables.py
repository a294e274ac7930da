"""What verbs share when they say what was done, for people; scripts take `--json`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterable[str]:
    """Lines of columns that are as wide as their widest cell; the first one flush left, the others right."""
    lines = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        first = line[0].ljust(widths[0])
        yield "  ".join([first, *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]).rstrip()


def files_written(files: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """One line for each file, with its features where it is a layer."""
    for file in files:
        yield file["path"] if file["features"] is None else f"{file['path']}: {file['features']} features"


def known(value: float | None, form: str) -> str:
    """A number in a format like ".1f", a dash for none: one that every terminal has."""
    return "-" if value is None or not math.isfinite(value) else format(value, form)


def whole(value: float | None) -> str:
    """A number without decimals, a dash for none."""
    return known(value, ".0f")


def score(value: float | None) -> str:
    """A score with four decimals, a dash for none."""
    return known(value, ".4f")


def spread(answer: Mapping[str, Any]) -> Iterable[str]:
    """A line about a cluster's part in the work, where it had one."""
    told = answer.get("cluster")
    if told:
        found = f", {told['found']} found done" if told["found"] else ""
        again = f", {told['repeated']} given out twice" if told["repeated"] else ""
        yield f"By {told['workers']} workers: {told['done']} parts{found}{again}"
