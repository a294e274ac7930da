"""Train a network on prepared patches, or one for each class; every epoch leaves a usable model and a point to go on from."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.patches.joined import Prepared
from core.progress import OnProgress, ShouldStop
from core.training.one_vs_rest import train_each_class
from core.training.run import TrainResult, train_one
from core.training.settings import TrainSettings
from core.training.spread import writing_place


def train(
    store: Prepared,
    folder: str | os.PathLike,
    settings: TrainSettings,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    should_pause: Callable[[], bool] | None = None,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
    on_steps: Callable[[dict[str, Any]], None] | None = None,
    resume: bool = False,
) -> TrainResult:
    """Train on the `train` rows of a patch store, choose the best epoch on its `validation` rows, write a model folder.

    The folder gets `card.json`, `README.md` and `model.keras` (the best epoch so far, after every epoch), one line of
    `history.jsonl` and one picture in `previews/` per epoch, and `last.npz` to go on from. `on_progress` hears every
    batch, `on_epoch` every line of the history, `on_steps` after each batch the loss of the epoch's steps so far: its number
    `epoch`, its `steps`, and `at` and `loss` as the points of `core.progress.StepCurve`. A stop takes effect within one
    batch and still leaves the best model, if there is one.
    With `resume` a run goes on after its last finished epoch. Equal seeds give equal results on one CPU machine.
    All visible GPUs are used, and the machines that TF_CONFIG names, where the chief alone writes the folder.
    Raises InputError for data, settings or weights that cannot work, and when the loss stops being a number.
    """
    folder = Path(folder)
    callables: dict[str, Any] = {"on_progress": on_progress, "should_stop": should_stop, "should_pause": should_pause}
    callables |= {"on_epoch": on_epoch, "on_steps": on_steps}
    with writing_place(folder, resume=resume) as place:
        if settings.per_class:
            result = train_each_class(store, place, settings, resume=resume, **callables)
        else:
            result = train_one(store, place, settings, resume=resume, **callables)
    return replace(result, folder=folder)
