"""Verb predict: predict a whole scene."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.cluster.where import ClusterSettings
from core.files import refuse_foreign_folder
from core.prediction.settings import PredictSettings
from core.progress import OnProgress, ShouldStop
from core.reading.readable import refuse_no_scene
from core.settings import PICTURE, REQUIRED, Settings, group, setting
from core.verbs.options import MODEL, SCENE
from core.verbs.tables import spread
from core.verbs.verb import Answer, Verb, place_of

WINDOW = "only this part of the scene, in pixels"
CORNERS = "ROW,COL,HEIGHT,WIDTH"


@dataclass(frozen=True)
class PredictRequest(Settings):
    """What `predict` can be told."""

    model: str = setting(REQUIRED, MODEL, flag="MODEL")
    scene: Path = setting(REQUIRED, SCENE, flag="SCENE", address=PICTURE)
    out: Path | None = setting(None, "folder for the prediction's rasters", flag="OUT")
    blending: PredictSettings = group(PredictSettings())
    window: tuple[int, int, int, int] | None = setting(None, WINDOW, metavar=CORNERS)
    crs: str | None = setting(None, "names the CRS of a scene that has a transform and none, for example EPSG:2154")
    spreading: ClusterSettings = group(ClusterSettings())


def run(asked: PredictRequest, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, **_: Any) -> Answer:
    """Predict a whole scene."""
    from core.model_store.models import find_model

    out = place_of(asked.out)
    model = find_model(asked.model)  # first: who mistyped its name need not wait for the libraries of maps
    refuse_no_scene(asked.scene)

    from core.geo import read_crs
    from core.prediction.folder.rasters import record_of
    from core.scenes.opening import open_scene
    from core.scenes.scene import Window

    refuse_foreign_folder(out, record_of(model.card), "a new folder, or an older prediction")
    scene = open_scene(asked.scene)
    if asked.crs is not None:
        scene = scene.with_geo(scene.geo.named(read_crs(asked.crs)))

    from core.prediction.predict import predict  # with numba: who mistyped a path need not wait for that

    return predict(
        model,
        scene,
        out,
        asked.blending,
        window=None if asked.window is None else Window(*asked.window),
        cluster=asked.spreading.where,
        on_progress=on_progress,
        should_stop=should_stop,
    ).summary()


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """Time and memory, and what is doubtful about the scene."""
    yield (
        f"{answer['windows']} windows in {answer['seconds']:.1f} s ({answer['model_seconds']:.1f} s in the network), "
        f"at most {answer['peak_memory_mib']:.0f} MiB"
    )
    yield from spread(answer)
    for warning in answer.get("warnings", ()):
        yield f"Note: {warning['sentence']}"
    yield f"Written to {answer['folder']}"


VERB = Verb("predict", PredictRequest, run, summary, place="predictions", heavy=True)
