"""Verb evaluate: score a model on the scenes of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.cluster.where import ClusterSettings
from core.errors import SettingsError
from core.prediction.settings import BlendSettings
from core.progress import OnProgress, ShouldStop
from core.reading.readable import refuse_no_dataset
from core.settings import REQUIRED, Settings, group, setting
from core.verbs.options import CLASSES, DATASET, IMAGES, MASKS, MODEL
from core.verbs.tables import score, table
from core.verbs.verb import Answer, Verb

_SCENES = ("all", "train", "validation", "test")


@dataclass(frozen=True)
class EvaluateRequest(Settings):
    """What `evaluate` can be told."""

    model: str = setting(REQUIRED, MODEL, flag="MODEL")
    dataset: Path = setting(REQUIRED, DATASET, flag="DATASET")
    classes: Path | None = setting(None, CLASSES, metavar="FILE")
    images: str | None = setting(None, IMAGES, metavar="PATTERN")
    masks: str | None = setting(None, MASKS, metavar="PATTERN")
    scenes: str = setting("all", "which part of the model's split", choices=_SCENES)
    patches: Path | None = setting(None, "score only the patches of that part, as `prepare` cut them (random splits)", metavar="PREPARED")
    out: Path | None = setting(None, "folder for all that was found: JSON, CSV, maps, pictures and a report", metavar="FOLDER")
    report: Path | None = setting(None, "an HTML report; with pictures where there is --out", metavar="FILE")
    polygons: tuple[str, ...] = setting((), "classes whose objects are matched at IoU 0.5", metavar="NAME,NAME")
    store_temperature: bool = setting(False, "calibrate the model: needs --scenes validation")
    blending: BlendSettings = group(BlendSettings())
    spreading: ClusterSettings = group(ClusterSettings())


def run(asked: EvaluateRequest, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, **_: Any) -> Answer:
    """Measure a model on the scenes of a data set; `out` keeps it all, `report` is the page for people."""
    from core.model_store.models import find_model

    model = find_model(asked.model)
    refuse_no_dataset(asked.dataset)
    if asked.store_temperature and asked.scenes != "validation":
        raise SettingsError(
            f"a temperature from {asked.scenes} scenes",
            expected="validation scenes, so that held-out ones stay honest",
            do="Choose the validation scenes",
        )

    from core.datasets.datasets import open_dataset
    from core.evaluation.evaluate import evaluate, store_temperature
    from core.evaluation.writing import write_report

    where = asked.spreading.where
    evaluation = evaluate(
        model,
        open_dataset(
            asked.dataset if where is None else asked.dataset.resolve(),
            classes=asked.classes,
            images=asked.images or "",
            masks=asked.masks or "",
        ),
        asked.blending,
        scenes=asked.scenes,
        patches=asked.patches,
        folder=asked.out,
        polygons=asked.polygons,
        cluster=where,
        on_progress=on_progress,
        should_stop=should_stop,
    )
    if asked.report is not None:
        write_report(evaluation, asked.report)
    named = {name: None if path is None else str(path) for name, path in (("folder", asked.out), ("report", asked.report))}
    answer = {**evaluation.summary(), **named, "stored_temperature": None}
    if asked.store_temperature:
        answer["stored_temperature"] = store_temperature(model, evaluation).card.temperature
    return answer


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """Scores of the whole and of each class, with what is known about their certainty."""
    yield f"{answer['pixels']:,} pixels scored, {answer['ignored_pixels']:,} without label left out"
    yield f"accuracy {score(answer['accuracy'])}   mean IoU {score(answer['mean_iou'])}   micro IoU {score(answer['micro_iou'])}"
    if len(answer["groups"]) > 1:
        yield f"mean over {len(answer['groups'])} groups of scenes, each alike: mean IoU {score(answer['mean_iou_over_groups'])}"
    interval = answer["intervals"].get("mean_iou")
    ends = f"mean IoU {score(interval[0])} to {score(interval[1])}. " if interval else ""
    yield f"{ends}{answer['intervals']['text']}"
    yield ""
    keys = {"iou": "IoU", "precision": "precision", "recall": "recall", "f1": "F1", "boundary_iou": "boundary IoU"}
    rows = [(name, *(score(scores[key]) for key in keys)) for name, scores in answer["classes"].items()]
    yield from table(("class", *keys.values()), rows)
    for name, scores in answer["classes"].items():
        if "polygons" in scores:
            one = scores["polygons"]
            found = f"{one['matched']} of {one['truth']} found, {one['predicted']} predicted"
            yield f"{name} as objects at IoU 0.5: F1 {score(one['f1'])} ({found})"
    calibration = answer["calibration"]
    yield f"calibration error {score(calibration['ece'])}, fitting temperature {score(calibration.get('temperature'))}"
    yield from answer.get("notes", ())
    if answer["stored_temperature"]:
        yield f"Temperature {answer['stored_temperature']:.4f} is in the model's card now"
    yield from (f"Written to {answer[key]}" for key in ("folder", "report") if answer[key])


VERB = Verb("evaluate", EvaluateRequest, run, summary, place="evaluations", heavy=True)
