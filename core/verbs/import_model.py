"""Work on the model library: files of other origin in, exports out (see `core.jobs.tasks` for how such functions are)."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.jobs.tasks import Answer, Request
from core.progress import OnProgress, ShouldStop


def import_model(request: Request, *, on_progress: OnProgress | None, should_stop: ShouldStop | None, **_: Any) -> Answer:
    """Write a model folder of a Keras file and the answers about it."""
    from core.model_store.importing import Answers, scheme_of
    from core.model_store.importing import import_model as take_in

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    answers = Answers(
        scheme=scheme_of(request["classes"]),
        bands=None if request["bands"] is None else tuple(request["bands"]),
        normalisation=request["normalisation"],
        patch_size=request["patch_size"],
        dtype=request["dtype"],
        scale=request["scale"],
        pixel_size_m=request["pixel_size_m"],
        name=request["name"],
    )
    model = take_in(
        request["file"],
        Path(request["out"]),
        answers,
        trusted=request["trusted"],
        on_progress=on_progress,
        should_stop=should_stop,
    )
    return {"model": str(model.folder), "folder": str(model.folder), "assumed": list(model.card.assumed)}


def export_model(request: Request, *, on_progress: OnProgress | None, should_stop: ShouldStop | None, **_: Any) -> Answer:
    """Write a model for other programs."""
    from core.model_store.models import find_model
    from core.prediction.engines.exporting import export_model as hand_out

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    exported = hand_out(
        find_model(request["model"]), request["out"], format=request["format"], on_progress=on_progress, should_stop=should_stop
    )
    return {**asdict(exported), "path": str(exported.path)}
