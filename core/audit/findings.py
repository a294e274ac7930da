"""Findings of the audit: what is wrong, how bad it is, and what would help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.datasets.remedies import Remedy
from core.datasets.same_ground.overlaps import Overlap

SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True)
class Finding:
    """One thing that the user should know.

    `severity` is "error" (training would fail or learn nonsense), "warning" (scores would suffer or lie) or "info".
    `pairs` names the pairs it is about and `files` their files; `remedy` is a correction that can be applied, or None.
    `places` are those of the same ground in two images that it is about.
    """

    severity: str
    code: str
    sentence: str
    files: tuple[Path, ...] = ()
    remedy: Remedy | None = None
    pairs: tuple[str, ...] = ()
    places: tuple[Overlap, ...] = ()

    def to_dict(self, root: Path) -> dict[str, Any]:
        """The finding in plain values, files relative to the data set's folder."""
        return {
            "severity": self.severity,
            "code": self.code,
            "sentence": self.sentence,
            "files": [path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path) for path in self.files],
            "pairs": list(self.pairs),
            "places": [place.to_dict() for place in self.places],
            "remedy": None if self.remedy is None else self.remedy.title,
        }


def files_of(dataset, names: Sequence[str], *, masks: bool = True, images: bool = True) -> tuple[Path, ...]:
    """Files of the named pairs, image before mask."""
    wanted = set(names)
    paths = []
    for pair in dataset.pairs:
        if pair.name in wanted:
            paths += ([pair.image_path] if images else []) + ([pair.mask_path] if masks and pair.mask_path else [])
    return tuple(paths)
