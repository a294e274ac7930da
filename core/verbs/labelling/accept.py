"""Verb accept: a project of the Label page as a prediction and a data set; only the page asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.progress import OnProgress, ShouldStop
from core.settings import REQUIRED, Settings, setting
from core.verbs.verb import Answer, Verb, place_of


@dataclass(frozen=True)
class AcceptRequest(Settings):
    """What `accept` can be told."""

    project: Path = setting(REQUIRED, "folder of the project", flag="PROJECT")
    dataset: Path = setting(REQUIRED, "folder for the data set", flag="DATASET")
    out: Path | None = setting(None, "folder for the prediction", flag="OUT")
    agreed: str = setting("all", "what is labelled besides what was painted", choices=("all", "agreed", "painted"))


def run(asked: AcceptRequest, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, **_: Any) -> Answer:
    """Write the prediction and the data set."""
    from core.datasets.scene_set import MADE_FILE
    from core.files import refuse_foreign_folder
    from core.labelling.projects.accept import accept
    from core.labelling.projects.project import LabelProject
    from core.prediction.folder.rasters import PREDICTION_FILE

    out = place_of(asked.out)
    refuse_foreign_folder(out, PREDICTION_FILE, "a new folder, or an older prediction")
    refuse_foreign_folder(asked.dataset, MADE_FILE, "a new folder, or an older data set of strokes")
    project = LabelProject.open(asked.project)
    made = accept(project, out, asked.dataset, agreed=asked.agreed, on_progress=on_progress, should_stop=should_stop)
    return {"folder": str(made.prediction), "dataset": str(made.labels.folder), "labelled": made.labels.labelled}


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """Where both lie."""
    yield f"Prediction in {answer['folder']}"
    yield f"Data set in {answer['dataset']}"


VERB = Verb("accept", AcceptRequest, run, summary, place="predictions", writes=("out", "dataset"))
