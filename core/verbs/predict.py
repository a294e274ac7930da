"""Prediction of one scene or many, what it will cost, and a model's int8 network (see `core.jobs.tasks`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from core.errors import SettingsError
from core.files import refuse_foreign_folder
from core.progress import OnProgress, ShouldStop, report

Answer = dict[str, Any]
Request = Mapping[str, Any]


BLENDING = {"overlap": 0.5, "symmetries": 1, "memory": "1GiB", "engine": "auto"}
"""Keys of a request that say how patches are run and blended, as the library calls them too, with their defaults."""
SETTINGS = {**BLENDING, "patch_size": None, "resample": False}
"""Those of a prediction."""


def chosen(request: Request, keys: Iterable[str] = SETTINGS) -> dict[str, Any]:
    """The settings of a request under the names that the library gives them."""
    return {key: request[key] for key in keys}


def predict(request: Request, *, on_progress: OnProgress | None, should_stop: ShouldStop | None, **_: Any) -> Answer:
    """Predict a whole scene."""
    from core.model_store.models import find_model
    from core.prediction.folder.rasters import PREDICTION_FILE
    from core.prediction.predict import predict as run_model
    from core.scenes.opening import open_scene

    if request["cluster"] != "none":
        raise SettingsError(
            f"cluster {request['cluster']!r}",
            expected="none: this version predicts on one machine",
            do="Leave --cluster away, or predict parts of the scene with --window on several machines",
        )
    out = Path(request["out"])
    refuse_foreign_folder(out, PREDICTION_FILE, "a new folder, or an older prediction")
    return run_model(
        find_model(request["model"]),
        open_scene(request["scene"]),
        out,
        window=_window(request),
        **chosen(request),
        on_progress=on_progress,
        should_stop=should_stop,
    ).summary()


def estimate(request: Request, *, on_progress: OnProgress | None, **_: Any) -> Answer:
    """Say what a prediction will cost."""
    from core.prediction.estimate import estimate as probe

    report(on_progress, 0, 0, "Trying a few patches")
    return probe(request["model"], request["scene"], window=_window(request), **chosen(request)).summary()


def predict_batch(request: Request, *, on_progress: OnProgress | None, should_stop: ShouldStop | None, **_: Any) -> Answer:
    """Predict every scene of a folder, or of a list of files."""
    from core.prediction.batch import RESULTS_FILE, find_scenes
    from core.prediction.batch import predict_batch as run_model

    out, scenes = Path(request["out"]), request["scenes"]
    refuse_foreign_folder(out, RESULTS_FILE, "a new folder, or that of an older batch")
    return run_model(
        request["model"],
        find_scenes(scenes) if isinstance(scenes, str) else scenes,
        out,
        **chosen(request),
        on_progress=on_progress,
        should_stop=should_stop,
    ).summary()


def quantise(request: Request, *, on_progress: OnProgress | None, should_stop: ShouldStop | None, **_: Any) -> Answer:
    """Make the int8 network of a model."""
    from core.prediction.engines.quantising import quantise as make

    return make(request["model"], request["patches"], on_progress=on_progress, should_stop=should_stop)


def _window(request: Request) -> Any:
    from core.scenes.scene import Window

    return None if request["window"] is None else Window(*request["window"])
