"""Two evaluations side by side: of two models on the same scenes, or of one on leaked patches and on held-out scenes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from core.classes import IGNORED_ID
from core.errors import InputError
from core.evaluation.intervals import SINGLE, Intervals, bootstrap_difference, scores_of
from core.evaluation.result import MAPS, Evaluation
from core.files import refuse_foreign_folder, replacing_folder, write_json
from core.progress import OnProgress, ShouldStop, check, report
from core.scenes.opening import open_scene
from core.scenes.scene import Window

COMPARISON_FILE, DISAGREEMENT_FILE = "comparison.json", "disagreement.json"
DISAGREEMENT_BANDS = ("first", "second", "verdict")
VERDICTS = (
    "nothing to compare",
    "both right",
    "only the first right",
    "only the second right",
    "both wrong, alike",
    "both wrong, differently",
    "alike, not labelled",
    "different, not labelled",
)
"""What the values of the band "verdict" mean."""
_BAND_PX = 512


@dataclass(frozen=True)
class Difference:
    """A score of both, second minus first, and the ends of its 95 % interval where there is one.

    `name` is the class of an IoU, None for a score of all classes.
    """

    score: str
    name: str | None
    first: float
    second: float
    low: float | None
    high: float | None

    @property
    def difference(self) -> float:
        """Second minus first."""
        return self.second - self.first

    @property
    def clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Comparison:
    """Differences of two runs on the scenes that both have scored."""

    first: str
    second: str
    scenes: tuple[str, ...]
    rows: tuple[Difference, ...]
    text: str
    notes: tuple[str, ...] = ()

    def summary(self) -> dict[str, Any]:
        """Plain values."""
        rows = [
            {
                "score": row.score,
                "class": row.name,
                "first": row.first,
                "second": row.second,
                "difference": row.difference,
                "low": row.low,
                "high": row.high,
                "clear": row.clear,
            }
            for row in self.rows
        ]
        named = {"first": self.first, "second": self.second, "text": self.text}
        return {**named, "scenes": len(self.scenes), "rows": rows, "notes": list(self.notes)}


def compare(first: Evaluation, second: Evaluation, *, seed: int = 0) -> Comparison:
    """Two runs on their common scenes, with paired intervals over scenes (`bootstrap_difference`).

    Raises InputError when they share no scene or differ in their classes.
    """
    common = _common(first, second)
    notes = []
    left_out = len(first.results) + len(second.results) - 2 * len(common)
    if left_out:
        notes.append(f"{left_out} scenes that only one of the two has scored are left out.")
    one, two = (np.stack([run.per_scene[name].counts for name in common]) for run in (first, second))
    if not np.array_equal(one.sum(axis=2), two.sum(axis=2)):
        notes.append("The two were not scored on the same pixels: their masks or parts differ.")
    found = bootstrap_difference(one, two, seed=seed)
    rows = tuple(_rows(first.scheme.names, one.sum(axis=0), two.sum(axis=0), found))
    return Comparison(first.model, second.model, tuple(common), rows, found.text, tuple(notes))


def optimistic_against_honest(optimistic: Evaluation, honest: Evaluation) -> Comparison:
    """The scores on patches of a random split beside those on held-out scenes; the difference is what the leak adds, below 0.

    The two score different pixels, so there is no paired interval. Raises InputError when the classes differ, or when the
    first is not of a split that leaks or the second not of one that holds whole scenes out.
    """
    _same_classes(optimistic, honest)
    if optimistic.split == "group" or honest.split != "group" or honest.scenes not in ("validation", "test"):
        raise InputError(
            f"a score of a {optimistic.split or 'unknown'} split and the {honest.scenes} scenes of a {honest.split or 'unknown'} split",
            expected="first a random or block split, then held-out scenes of a split by groups",
            do="Train the same recipe on both splits and evaluate both",
        )
    rows = _rows(optimistic.scheme.names, optimistic.confusion.counts, honest.confusion.counts, Intervals({}, {}, 0, ""))
    scenes = tuple(one.name for one in honest.results)
    text = (
        f"{optimistic.split.capitalize()} split: patches beside those it was trained on. Held out: {len(scenes)} whole scenes that it "
        "has never seen. The second number is what to expect on new scenes."
    )
    return Comparison(f"{optimistic.model} ({optimistic.split} split)", f"{honest.model} (held out)", scenes, tuple(rows), text)


def write_disagreement(
    first: Evaluation,
    second: Evaluation,
    folder: str | os.PathLike,
    *,
    answer: Mapping[str, Any] | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> dict[str, Any]:
    """Write a GeoTIFF for each common scene on the scene's grid, with bands `DISAGREEMENT_BANDS`, and count the verdicts.

    Gives {"scenes": {name: {"file", "pixels": {verdict: pixels}}}, "pixels": {verdict: pixels}}, which also lies in the
    folder as JSON, beside `answer` with the same as its "disagreement" where one is given. Raises InputError when an evaluation
    kept no maps or a scene's sizes differ, SettingsError for a folder that holds something else; Cancelled.
    """
    common = _common(first, second)
    refuse_foreign_folder(Path(folder), DISAGREEMENT_FILE)
    found: dict[str, Any] = {"first": first.model, "second": second.model, "verdicts": VERDICTS, "scenes": {}}
    total = np.zeros(len(VERDICTS), np.int64)
    with replacing_folder(folder) as work:
        for number, name in enumerate(common):
            check(should_stop)
            report(on_progress, number, len(common), f"Comparing {name}")
            file = work / f"{number + 1:04d}.tif"
            counts = _disagreement(_map_of(first, name), _map_of(second, name), file, should_stop)
            total += counts
            found["scenes"][name] = {"file": file.name, "pixels": dict(zip(VERDICTS, counts.tolist(), strict=True))}
        found["pixels"] = dict(zip(VERDICTS, total.tolist(), strict=True))
        write_json(work / DISAGREEMENT_FILE, found)
        if answer is not None:
            write_json(work / COMPARISON_FILE, {**answer, "disagreement": found})
    report(on_progress, len(common), len(common), "Compared")
    return found


def verdicts(first: np.ndarray, second: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """uint8 (h, w), positions in `VERDICTS`, of class ids uint8 (h, w); 255 = not known."""
    alike, known = first == second, truth != IGNORED_ID
    found = np.where(alike, 6, 7).astype(np.uint8)
    found[known] = np.where(alike, 4, 5)[known]
    found[known & (second == truth)] = 3
    found[known & (first == truth)] = 2
    found[known & (first == truth) & alike] = 1
    found[(first == IGNORED_ID) | (second == IGNORED_ID)] = 0
    return found


def _disagreement(one: Path, two: Path, file: Path, should_stop: ShouldStop | None) -> np.ndarray:
    from core.evaluation.measure import open_map  # brings what predicts scenes, which a page of scores does without

    scenes = [open_scene(path, expand_palette=False) for path in (one, two)]
    if scenes[0].shape != scenes[1].shape:
        sizes = f"maps of {scenes[0].shape} and {scenes[1].shape} pixels"
        raise InputError(sizes, expected="the same scene", do="Evaluate both on one data set")
    counts = np.zeros(len(VERDICTS), np.int64)
    height, width = scenes[0].shape
    with open_map(file, scenes[0], (height, width), DISAGREEMENT_BANDS) as out:
        for row in range(0, height, _BAND_PX):
            check(should_stop)
            window = Window(row, 0, min(_BAND_PX, height - row), width)
            first, truth = np.moveaxis(scenes[0].read(window, [1, 2], categorical=True), 2, 0)
            second = scenes[1].read(window, [1], categorical=True)[..., 0]
            verdict = verdicts(first, second, truth)
            counts += np.bincount(verdict.ravel(), minlength=len(VERDICTS))
            out.write(np.stack([first, second, verdict]), window=rasterio.windows.Window(0, row, width, window.height))
    return counts


def _map_of(evaluation: Evaluation, name: str) -> Path:
    found = next(one.map for one in evaluation.results if one.name == name)
    if found is None or evaluation.folder is None or not (evaluation.folder / MAPS / found).is_file():
        missing = f"no map of {name} beside the evaluation of {evaluation.model}"
        raise InputError(missing, expected="a saved evaluation", do="Evaluate with a folder")
    return evaluation.folder / MAPS / found


def _rows(names: tuple[str, ...], one: np.ndarray, two: np.ndarray, found: Intervals) -> Iterator[Difference]:
    first, second = scores_of(one), scores_of(two)
    for score in SINGLE:
        yield Difference(score, None, float(first[score]), float(second[score]), *(found.of(score) or (None, None)))
    for number, name in enumerate(names):
        yield Difference("iou", name, float(first["iou"][number]), float(second["iou"][number]), *(found.of("iou", number) or (None, None)))


def _common(first: Evaluation, second: Evaluation) -> list[str]:
    _same_classes(first, second)
    other = second.per_scene
    common = [name for name in first.per_scene if name in other]
    if not common:
        raise InputError("two evaluations without a common scene", expected="evaluations of the same data set", do="Evaluate both on one")
    return common


def _same_classes(first: Evaluation, second: Evaluation) -> None:
    if first.scheme.names != second.scheme.names:
        raise InputError(
            f"classes {', '.join(first.scheme.names)} and {', '.join(second.scheme.names)}",
            expected="two models of the same classes",
            do="Choose evaluations of such models",
        )
