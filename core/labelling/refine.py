"""A prediction that strokes have refined, made tile by tile into a folder as `predict` writes them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from shapely.geometry.base import BaseGeometry

from core.classes import ClassScheme
from core.digests import digest_of, file_digest, refuse_changed
from core.errors import Cancelled, GroundlineError
from core.files import replacing_folder, unfinished, write_json
from core.labelling.answer import Answer, learn, refuse_one_class
from core.labelling.class_names import scheme_with
from core.labelling.features import TILE_PX, SceneFeatures
from core.labelling.samples import Samples, take
from core.labelling.strokes import Stroke, painted_names
from core.model_store.models import Model, refuse_measuring
from core.prediction.budget import PeakMemory
from core.prediction.folder.origin import credit_tags, credits_of, window_of
from core.prediction.folder.rasters import PREDICTION_FILE, PROBABILITIES, Prediction, geo_to_dict
from core.prediction.folder.writing import RawWriter, finish, placement
from core.prediction.predict import predict
from core.prediction.settings import PredictSettings
from core.progress import OnProgress, ShouldStop, check, part, report
from core.scenes.scene import Scene, Window
from core.words import MIB, counted

_ENGINE = "strokes"
_VERSION = 1
_MODEL_SHARE, _TILES_SHARE, _WHOLE = 40, 90, 100
"""Where in the progress the model has ended and the tiles have, of 100."""


@dataclass(frozen=True)
class Refined:
    """A refined prediction: where it is, what was painted, and how often strokes tell right what they did not see themselves.

    `classes` has strokes and pixels of each painted class; `expected_accuracy` is None while no class has two strokes.
    """

    folder: Path
    classes: dict[str, dict[str, int]]
    expected_accuracy: float | None
    windows: int
    seconds: float
    peak_memory_mib: float = 0.0
    notes: tuple[str, ...] = field(default=())

    def summary(self) -> dict[str, Any]:
        """The result as plain values."""
        accuracy = None if self.expected_accuracy is None else round(self.expected_accuracy, 4)
        return {
            "folder": str(self.folder),
            "classes": self.classes,
            "expected_accuracy": accuracy,
            "windows": self.windows,
            "seconds": round(self.seconds, 3),
            "peak_memory_mib": round(self.peak_memory_mib, 1),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Shown:
    """Classes that an answer is written in where they are not its own.

    `scheme` are those of the answer, which begin with the prediction's; `as_written` makes of its probabilities float32 (h, w, K) those of
    the `written` ones.
    """

    scheme: ClassScheme
    written: ClassScheme
    as_written: Callable[[np.ndarray], np.ndarray]


def refine(
    model: Model | Prediction | None,
    scene: Scene,
    strokes: Sequence[Stroke],
    folder: str | os.PathLike,
    settings: PredictSettings | None = None,
    *,
    area: BaseGeometry | None = None,
    seed: int = 0,
    shown: Shown | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Refined:
    """Write the answer that strokes teach as a prediction folder; outside `area` (pixels) the model's own stays, to the pixel.

    `model` predicts the scene first, with `settings`; a prediction of it is taken as it is, and covers what the result covers. With
    `shown` the strokes have the names of its `scheme`, and what is written is in other classes. `folder` appears when it is complete; a
    run that was killed goes on where it was, and a cancelled one leaves nothing. Raises InputError where fewer than two classes were
    painted, and as `predict` does.
    """
    begun = time.perf_counter()
    if isinstance(model, Model):
        refuse_measuring(model.card)
    refuse_one_class(painted_names(strokes))
    with PeakMemory() as memory:
        work = _Work(model, scene, tuple(strokes), Path(folder), settings or PredictSettings(), area, seed, shown)
        try:
            result = work.run(on_progress, should_stop, begun)
        except (Cancelled, GroundlineError):
            work.unfinished.drop()
            raise
    return replace(result, seconds=time.perf_counter() - begun, peak_memory_mib=memory.peak_bytes / MIB)


class _Work:
    """The unfinished run beside the folder that it will become."""

    def __init__(
        self,
        model: Model | Prediction | None,
        scene: Scene,
        strokes: tuple[Stroke, ...],
        folder: Path,
        settings: PredictSettings,
        area: BaseGeometry | None,
        seed: int,
        shown: Shown | None,
    ):
        self.model, self.scene, self.folder, self.settings, self.area, self.seed = model, scene, folder, settings, area, seed
        self.digest = scene.digest
        base = None if model is None else model.scheme if isinstance(model, Prediction) else model.card.scheme
        self.strokes, self.scheme = scheme_with(base, strokes) if shown is None else (strokes, shown.scheme)
        self.shown = Shown(self.scheme, self.scheme, lambda found: found) if shown is None else shown
        painted = [(one.class_name, one.width_px, one.geometry.wkb_hex) for one in self.strokes]
        told = None if isinstance(model, Prediction) or model is None else settings.to_dict()
        bounds = None if area is None else area.wkb_hex
        self.key = digest_of(_VERSION, self.digest, _state_of(model), told, painted, bounds, seed, self.shown.written)
        self.unfinished = unfinished(folder, self.key)

    def run(self, on_progress: OnProgress | None, should_stop: ShouldStop | None, begun: float) -> Refined:
        prediction = self._predicted(part(on_progress, 0, _MODEL_SHARE, _WHOLE), should_stop)
        start = 0 if self.model is None or isinstance(self.model, Prediction) else _MODEL_SHARE
        features = SceneFeatures(self.scene, prediction=prediction)
        samples = take(features, self.strokes, self.scheme.names, seed=self.seed, should_stop=should_stop)
        answer = learn(features, self.strokes, self.scheme, area=self.area, seed=self.seed, samples=samples)
        window = self.scene.window if prediction is None else window_of(prediction)
        raw = RawWriter(self.unfinished.place, window.height, window.width, len(self.shown.written))
        try:
            tiles = self._write(answer, raw, window, part(on_progress, start, _TILES_SHARE, _WHOLE), should_stop)
            refuse_changed(self.scene.name, self.digest, lambda: self.scene.digest)
            result = Refined(
                self.folder, self._painted(samples), answer.expected_accuracy, tiles, time.perf_counter() - begun, notes=_notes(samples)
            )
            self._finish(raw, window, result, part(on_progress, _TILES_SHARE, _WHOLE, _WHOLE), should_stop)
        finally:
            raw.close()
        self.unfinished.drop()
        return result

    def _predicted(self, on_progress: OnProgress | None, should_stop: ShouldStop | None) -> Prediction | None:
        if self.model is None or isinstance(self.model, Prediction):
            return self.model
        folder = self.unfinished.place / "model"
        if self.unfinished.state is None:
            self.unfinished.remember(done=0)
        predict(self.model, self.scene, folder, self.settings, keep_finished=True, on_progress=on_progress, should_stop=should_stop)
        return Prediction.open(folder)

    def _write(self, answer: Answer, raw: RawWriter, window: Window, on_progress: OnProgress | None, should_stop: ShouldStop | None) -> int:
        """Write the tiles of a window row by row; those that an interrupted run has finished stay. Give how many there are."""
        across = -(-window.width // TILE_PX)
        total = across * -(-window.height // TILE_PX)
        done = int((self.unfinished.state or {}).get("done", 0))
        for number in range(done, total):
            check(should_stop)
            report(on_progress, number, total, "Reading the scene as the strokes taught")
            place = Window(number // across * TILE_PX, number % across * TILE_PX, TILE_PX, TILE_PX)
            place = place.intersect(Window(0, 0, window.height, window.width))
            found = self.shown.as_written(answer.probabilities(replace(place, row=place.row + window.row, col=place.col + window.col)))
            raw.write(place, found, np.asarray(found.any(axis=-1)))
            if number % across == across - 1:
                raw.flush()
                self.unfinished.remember(done=number + 1)
        return total

    def _painted(self, samples: Samples) -> dict[str, dict[str, int]]:
        names = [one.class_name for one in self.strokes]
        return {
            name: {"strokes": names.count(name), "pixels": int(count)}
            for name, count in zip(self.scheme.names, samples.painted, strict=True)
            if name in names
        }

    def _finish(
        self, raw: RawWriter, window: Window, result: Refined, on_progress: OnProgress | None, should_stop: ShouldStop | None
    ) -> None:
        def on_step(step: int, steps: int, message: str) -> None:
            check(should_stop)
            report(on_progress, step, steps, message)

        place, name = placement(self.scene, window), _name_of(self.model)
        tags = {
            "GROUNDLINE_MODEL": name,
            "GROUNDLINE_SCENE": self.scene.name,
            "GROUNDLINE_SCENE_DIGEST": self.digest,
            **credit_tags(self.scene),
        }
        with replacing_folder(self.folder) as temporary:
            finish(raw, temporary, self.shown.written, place, tags=tags, on_step=on_step)
            write_json(temporary / PREDICTION_FILE, self._made(window, place.geo, result, name))

    def _made(self, window: Window, geo, result: Refined, name: str) -> dict[str, Any]:
        return {
            "model": name,
            "scheme": self.shown.written.to_dict(),
            "height": window.height,
            "width": window.width,
            "geo": geo_to_dict(geo),
            "scene": str(self.scene.path),
            **credits_of(self.scene),
            "scene_digest": self.digest,
            "window": vars(window),
            "settings": {"patch_size": TILE_PX, "strokes": len(self.strokes), "area": None if self.area is None else self.area.wkt},
            "engine": _ENGINE,
            "key": self.key,
            "windows": result.windows,
            "seconds": result.seconds,
            "model_seconds": 0.0,
            "peak_memory_mib": 0.0,
            "seam_score": None,
            "warnings": [{"code": "strokes", "sentence": note} for note in result.notes],
            "classes": result.classes,
            "expected_accuracy": result.expected_accuracy,
        }


def _notes(samples: Samples) -> tuple[str, ...]:
    if not samples.nodata:
        return ()
    return (f"{counted(samples.nodata, 'painted pixel')} where the scene holds nothing: left out",)


def _name_of(model: Model | Prediction | None) -> str:
    if model is None:
        return "strokes"
    return f"{model.card_name if isinstance(model, Prediction) else model.card.name} and strokes"


def _state_of(model: Model | Prediction | None) -> Any:
    if model is None:
        return None
    if isinstance(model, Prediction):
        return file_digest(model.folder / PROBABILITIES)
    return str(model.file.resolve()), file_digest(model.file)
