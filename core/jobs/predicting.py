"""Work beside a single prediction: what it will cost, many scenes at once, and a model's int8 network (see `core.jobs.tasks`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import SettingsError
from core.progress import OnProgress, ShouldStop, report

Answer = dict[str, Any]
Request = Mapping[str, Any]


def estimate(request: Request, *, on_progress: OnProgress | None, **_: Any) -> Answer:
    """Say what a prediction will cost."""
    from core.prediction.estimate import estimate as probe
    from core.scene import Window

    report(on_progress, 0, 0, "Trying a few patches")
    window = request["window"]
    return probe(
        request["model"],
        request["scene"],
        overlap=request["overlap"],
        symmetries=request["symmetries"],
        memory=request["memory"],
        engine=request["engine"],
        window=None if window is None else Window(*window),
        patch_size=request["patch_size"],
        resample=request["resample"],
    ).summary()


def predict_batch(request: Request, *, on_progress: OnProgress | None, should_stop: ShouldStop | None, **_: Any) -> Answer:
    """Predict every scene of a folder, or of a list of files."""
    from core.prediction.batch import RESULTS_FILE, find_scenes
    from core.prediction.batch import predict_batch as run_model

    out, scenes = Path(request["out"]), request["scenes"]
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / RESULTS_FILE).is_file()):
        raise SettingsError(f"{out} holds other files", expected="a new folder, or that of an older batch", do="Choose another place")
    return run_model(
        request["model"],
        find_scenes(scenes) if isinstance(scenes, str) else scenes,
        out,
        overlap=request["overlap"],
        symmetries=request["symmetries"],
        memory=request["memory"],
        engine=request["engine"],
        patch_size=request["patch_size"],
        resample=request["resample"],
        on_progress=on_progress,
        should_stop=should_stop,
    ).summary()


def quantise(request: Request, *, on_progress: OnProgress | None, should_stop: ShouldStop | None, **_: Any) -> Answer:
    """Make the int8 network of a model."""
    from core.prediction.quantising import quantise as make

    return make(request["model"], request["patches"], on_progress=on_progress, should_stop=should_stop)
