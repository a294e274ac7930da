"""Verb refine: a prediction made better by painted strokes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.files import refuse_foreign_folder
from core.prediction.settings import PredictSettings
from core.progress import OnProgress, ShouldStop
from core.reading.readable import refuse_no_scene
from core.settings import PICTURE, REQUIRED, Settings, group, setting
from core.verbs.labelling.labels import STROKES
from core.verbs.options import MODEL, SCENE
from core.verbs.tables import table
from core.verbs.verb import Answer, Verb, place_of
from core.words import share_words

NONE = "none"
AREA = "GeoJSON or GeoPackage of polygons: outside them the model's answer stays, pixel for pixel"


@dataclass(frozen=True)
class RefineRequest(Settings):
    """What `refine` can be told."""

    model: str = setting(REQUIRED, f"{MODEL}; a prediction of the scene; or {NONE}, for strokes alone", flag="MODEL")
    scene: Path = setting(REQUIRED, SCENE, flag="SCENE", address=PICTURE)
    strokes: Path = setting(REQUIRED, STROKES, flag="STROKES")
    out: Path | None = setting(None, "folder for the prediction's rasters", flag="OUT")
    area: Path | None = setting(None, AREA, metavar="FILE")
    blending: PredictSettings = group(PredictSettings())
    seed: int = setting(0, "of the classifier", low=0)


def run(asked: RefineRequest, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, **_: Any) -> Answer:
    """Refine a prediction by strokes."""
    refuse_no_scene(asked.scene)

    from core.labelling.refine import refine
    from core.labelling.stroke_files import read_area, read_strokes
    from core.model_store.models import find_model
    from core.prediction.folder.rasters import PREDICTION_FILE, Prediction, is_prediction
    from core.scenes.opening import open_scene

    out = place_of(asked.out)
    refuse_foreign_folder(out, PREDICTION_FILE, "a new folder, or an older prediction")
    scene = open_scene(asked.scene)
    found = read_strokes(asked.strokes, scene)
    area = None if asked.area is None else read_area(asked.area, scene)
    base = Prediction.open(asked.model) if is_prediction(asked.model) else None if asked.model == NONE else find_model(asked.model)
    answer = refine(
        base, scene, found.strokes, out, asked.blending, area=area, seed=asked.seed, on_progress=on_progress, should_stop=should_stop
    ).summary()
    return {**answer, "notes": [*found.notes, *answer["notes"]]}


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """Painted pixels by class, the accuracy to expect, and what is to be said of the strokes."""
    rows = [(name, one["strokes"], f"{one['pixels']:,}") for name, one in answer["classes"].items()]
    yield from table(("class", "strokes", "painted pixels"), rows)
    expected = answer["expected_accuracy"]
    if expected is not None:
        yield f"Painted pixels told right without their own stroke: {share_words(expected, 2)} (mean over classes)"
    for note in answer["notes"]:
        yield f"Note: {note}"
    yield f"{answer['windows']} windows in {answer['seconds']:.1f} s, at most {answer['peak_memory_mib']:.0f} MiB"
    yield f"Written to {answer['folder']}"


VERB = Verb("refine", RefineRequest, run, summary, place="predictions", heavy=True)
