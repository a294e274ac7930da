"""What became of a project, taken along: its answer as a prediction, and as a data set to train on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import shapely
from shapely.geometry.base import BaseGeometry

from core.errors import InputError
from core.labelling.label_set import LabelSet, write_label_set
from core.labelling.projects.painting import Painting
from core.labelling.projects.places import Places
from core.labelling.projects.project import LabelProject
from core.labelling.refine import Shown, refine
from core.prediction.folder.rasters import Prediction
from core.progress import OnProgress, ShouldStop, part

AGREED = ("all", "agreed", "painted")
"""What a data set holds besides what was painted: all of the area of work, the places that were agreed to, or nothing."""


@dataclass(frozen=True)
class Accepted:
    """The folders that were written."""

    prediction: Path
    labels: LabelSet


def accept(
    project: LabelProject,
    prediction: Path,
    dataset: Path,
    *,
    agreed: str = "all",
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Accepted:
    """Write the answer of a project's strokes into the folder `prediction`, and what counts as labelled into `dataset`.

    The classes are the project's, in its order. Raises InputError where fewer than two classes were painted, ExportError, Cancelled.
    """
    labels, scene = project.labels, project.scene()
    started = None if project.prediction is None else Prediction.open(project.prediction)
    places = Places.of(labels, project.of_model)
    refined = refine(
        started,
        scene,
        places.strokes(labels),
        prediction,
        area=labels.area_shape(),
        shown=Shown(places.scheme, labels.scheme, places.summed),
        on_progress=part(on_progress, 0, 3, 4),
        should_stop=should_stop,
    )
    written = write_label_set(
        dataset,
        scene,
        labels.strokes(),
        labels.scheme,
        accepted=None if agreed == "painted" else Prediction.open(refined.folder),
        area=_agreed_area(labels, agreed),
        on_progress=part(on_progress, 3, 4, 4),
        should_stop=should_stop,
    )
    return Accepted(refined.folder, written)


def _agreed_area(labels: Painting, agreed: str) -> BaseGeometry | None:
    if agreed != "agreed":
        return labels.area_shape()
    if not labels.agreed:
        raise InputError("no place that was agreed to", expected="one at least", do="Press Looks right somewhere, or take all of it")
    return shapely.union_all([shapely.box(one.col, one.row, one.col_stop, one.row_stop) for one in labels.agreed])
