"""Verb quantise: make the int8 form of a model, which the engine fast runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.claims import claimed
from core.progress import OnProgress, ShouldStop
from core.settings import REQUIRED, Settings, setting
from core.verbs.options import MODEL
from core.verbs.tables import score
from core.verbs.verb import Answer, Verb
from core.words import share_words


@dataclass(frozen=True)
class QuantiseRequest(Settings):
    """What `quantise` can be told."""

    model: str = setting(REQUIRED, MODEL, flag="MODEL")
    patches: Path = setting(REQUIRED, "folder that `prepare` wrote, with validation scenes of the model; or a scene", flag="PATCHES")


def run(asked: QuantiseRequest, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, **_: Any) -> Answer:
    """Make the int8 network of a model."""
    from core.model_store.models import find_model
    from core.prediction.engines.quantising import quantise

    model = find_model(asked.model)
    with claimed(model.folder):
        return quantise(model, asked.patches, on_progress=on_progress, should_stop=should_stop)


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """How well both networks agree, and the file's size."""
    same = share_words(answer["agreement"], 2)
    yield f"{same} of labels are those of the model, over {answer['measured']} patches that it was not made with"
    if answer["mean_iou"] is not None:
        yield f"Mean IoU {score(answer['mean_iou'])}, of the model {score(answer['mean_iou_float'])}"
    yield f"{answer['megabytes']:.1f} MB in {answer['folder']}"


VERB = Verb("quantise", QuantiseRequest, run, summary, heavy=True)
