"""Painted pixels as a data set to train on: what was painted is labelled, what a person accepted too, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from shapely.geometry.base import BaseGeometry

from core.classes import ClassScheme
from core.datasets.masks.writing import write_mask
from core.datasets.scene_set import write_scene_set
from core.errors import InputError
from core.labelling.answer import covered
from core.labelling.strokes import Stroke, burn
from core.prediction.folder.origin import window_of
from core.prediction.folder.rasters import Prediction
from core.progress import OnProgress, ShouldStop, check, report
from core.scenes.scene import Scene, Window


@dataclass(frozen=True)
class LabelSet:
    """A written data set: its folder, and labelled pixels by class, first those that were painted, then all."""

    folder: Path
    painted: dict[str, int]
    labelled: dict[str, int]
    nodata: int


def write_label_set(
    folder: str | os.PathLike,
    scene: Scene,
    strokes: Sequence[Stroke],
    scheme: ClassScheme,
    *,
    accepted: Prediction | None = None,
    area: BaseGeometry | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> LabelSet:
    """Write a data set of one scene: painted pixels have their class, others that of the `accepted` answer inside `area`, or none.

    Pixels where the scene holds nothing are not labelled. Raises SettingsError for a stroke of a class that the scheme lacks, InputError
    where no pixel is labelled.
    """
    painted, labelled = np.zeros(len(scheme), np.int64), np.zeros(len(scheme), np.int64)
    nodata = 0

    def rows(row: int, stop: int) -> np.ndarray:
        nonlocal nodata
        check(should_stop)
        report(on_progress, row, scene.height, "Writing the mask")
        window = Window(row, 0, stop - row, scene.width)
        ids = burn(strokes, scheme.names, window)
        known = scene.valid(window)
        nodata += int((~known & (ids >= 0)).sum())
        ids[~known] = -1
        painted[:] += np.bincount(ids[ids >= 0], minlength=len(scheme))
        if accepted is not None:
            agreed = covered(area, window) & known & (ids < 0)
            ids[agreed] = _answers(accepted, window, scheme)[agreed]
        labelled[:] += np.bincount(ids[ids >= 0], minlength=len(scheme))
        return np.where(ids < 0, scheme.ignored_id, ids)

    def mask(path: Path) -> None:
        write_mask(path, scene.shape, scheme, scene.geo, rows)
        if not labelled.any():
            raise InputError("no painted pixel", expected="strokes where the scene holds something", do="Paint some")

    made = {"scene": scene.path, "strokes": len(strokes), "accepted": None if accepted is None else accepted.folder}
    write_scene_set(folder, scene, scheme, mask, made=made)
    report(on_progress, scene.height, scene.height, "Written")
    return LabelSet(Path(folder), _by_name(scheme, painted), _by_name(scheme, labelled), nodata)


def _answers(accepted: Prediction, window: Window, scheme: ClassScheme) -> np.ndarray:
    """Class ids int16 (h, w) of an answer in the scheme's ids, -1 where it gives none."""
    table = np.full(256, -1, np.int16)
    for number, name in enumerate(accepted.scheme.names):
        table[number] = scheme.names.index(name) if name in scheme.names else -1
    place = window_of(accepted)
    found = np.full((window.height, window.width), -1, np.int16)
    common = window.intersect(place)
    if common.pixels:
        at = Window(common.row - window.row, common.col - window.col, common.height, common.width)
        own = Window(common.row - place.row, common.col - place.col, common.height, common.width)
        found[at.slices] = table[accepted.labels(own)]
    return found


def _by_name(scheme: ClassScheme, counts: np.ndarray) -> dict[str, int]:
    return {name: int(count) for name, count in zip(scheme.names, counts, strict=True) if count}
