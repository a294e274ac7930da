"""Verb estimate: say what a prediction will cost, from a few of its patches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.prediction.settings import PredictSettings
from core.progress import OnProgress, report
from core.reading.readable import refuse_no_scene
from core.settings import PICTURE, REQUIRED, Settings, group, setting
from core.verbs.options import MODEL, SCENE
from core.verbs.predict import CORNERS, WINDOW
from core.verbs.verb import Answer, Verb


@dataclass(frozen=True)
class EstimateRequest(Settings):
    """What `estimate` can be told."""

    model: str = setting(REQUIRED, MODEL, flag="MODEL")
    scene: Path = setting(REQUIRED, SCENE, flag="SCENE", address=PICTURE)
    blending: PredictSettings = group(PredictSettings())
    window: tuple[int, int, int, int] | None = setting(None, WINDOW, metavar=CORNERS)


def run(asked: EstimateRequest, *, on_progress: OnProgress | None = None, **_: Any) -> Answer:
    """Say what a prediction will cost."""
    from core.model_store.models import find_model

    model = find_model(asked.model)
    refuse_no_scene(asked.scene)

    from core.prediction.estimate import estimate
    from core.scenes.scene import Window

    report(on_progress, 0, 0, "Trying a few patches")
    window = None if asked.window is None else Window(*asked.window)
    return estimate(model, asked.scene, asked.blending, window=window).summary()


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """Time, memory and disk, and what is doubtful about the scene."""
    yield (
        f"About {answer['seconds']:.0f} s for {answer['windows']} windows ({answer['engine']}), "
        f"{answer['peak_memory_mib']:.0f} MiB of memory, "
        f"{answer['disk_mib']:.0f} MiB of disk while it runs, {answer['result_mib']:.0f} MiB in the end"
    )
    if answer["area_km2"]:
        hours = answer["seconds"] * answer["cores"] / 3600
        yield f"{answer['area_km2']:.3g} km2 in {hours:.2g} core-hours ({answer['cores']} cores): {answer['area_km2'] / hours:.3g} km2 each"
    for warning in answer["warnings"]:
        yield f"Note: {warning['sentence']}"


VERB = Verb("estimate", EstimateRequest, run, summary)
