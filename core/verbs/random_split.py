"""Verb random_split, of jobs alone: a model's recipe on a random split of the same patches, to show what such a score is worth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.progress import OnProgress, ShouldStop, part
from core.settings import REQUIRED, Settings, group, setting
from core.training.settings import TrainSettings
from core.verbs import evaluate, prepare, train
from core.verbs.verb import Answer, OnEvent, Verb

_PREPARED, _TRAINED = 0.1, 0.9  # of the whole


@dataclass(frozen=True)
class RandomSplitRequest(Settings):
    """What `random_split` can be told."""

    prepared: Path = setting(REQUIRED, "the patches that the model was trained on")
    dataset: Path = setting(REQUIRED, "the data set that they were cut from")
    patches: Path = setting(REQUIRED, "folder for the new patches")
    model: Path = setting(REQUIRED, "folder for the new model")
    settings: TrainSettings = group(TrainSettings(), key="settings")
    out: Path | None = setting(None, "folder for the evaluation")


def run(
    asked: RandomSplitRequest,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    on_event: OnEvent | None = None,
) -> Answer:
    """Cut the patches of `prepared` again but split them at random, train with `settings`, and score the patches held back.

    The new patches go to `patches`, the model to `model`, the evaluation to `out`. The answer is that of "evaluate".
    """
    from core.patches.store import PatchStore

    record = PatchStore.open(asked.prepared).record
    common: dict[str, Any] = {"should_stop": should_stop, "on_event": on_event}
    cut = prepare.PrepareRequest.from_request(
        {
            **{name: record[name] for name in ("patch_size", "stride", "scale", "bands")},
            "dataset": asked.dataset,
            "min_labelled": record["split"].get("min_labelled"),
            "not_labelled": record["split"].get("not_labelled", []),
            "counts": record["split"].get("counts"),
            "rim": record.get("rim"),
            "seed": record["split"].get("seed"),
            "split": "random",
            "out": asked.patches,
        }
    )
    prepare.run(cut, on_progress=part(on_progress, 0, _PREPARED, 1), **common)
    learn = train.TrainRequest(asked.patches, asked.settings, out=asked.model)
    train.run(learn, on_progress=part(on_progress, _PREPARED, _TRAINED, 1), **common)
    score = evaluate.EvaluateRequest(str(asked.model), asked.dataset, scenes="validation", patches=asked.patches, out=asked.out)
    return evaluate.run(score, on_progress=part(on_progress, _TRAINED, 1, 1), **common)


VERB = Verb("random_split", RandomSplitRequest, run, place="evaluations", heavy=True, writes=("out", "patches", "model"))
