"""Many scenes through one model: one folder each, one table of results, and a failure stops nothing."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

from pyproj import CRS

from core.errors import GroundlineError, SceneError
from core.files import replacing, write_json
from core.model_store.models import Model, find_model
from core.plain import in_table
from core.prediction.engines.engine import Engine, open_engine
from core.prediction.settings import PredictSettings
from core.progress import OnProgress, ShouldStop, check, part
from core.scenes.image_names import ARRAY_SUFFIXES, HDF5_SUFFIXES, RASTER_SUFFIXES
from core.scenes.opening import open_scene

SCENE_SUFFIXES = (*RASTER_SUFFIXES, *HDF5_SUFFIXES, *ARRAY_SUFFIXES)
TABLE_FILE, RESULTS_FILE = "results.csv", "results.json"
_COLUMNS = ("scene", "state", "seconds", "windows", "seam_score", "warnings", "folder", "error")


class BatchRow(TypedDict):
    """What the results say of a scene."""

    scene: str
    state: str
    seconds: float | None
    windows: int | None
    seam_score: float | None
    folder: str | None
    error: str | None
    warnings: str | None


@dataclass(frozen=True)
class BatchResult:
    """One row per scene: "done" with its figures, or "failed" with the error's one line."""

    folder: Path
    rows: tuple[Mapping[str, Any], ...]

    @property
    def failed(self) -> int:
        """Number of scenes that failed."""
        return sum(row["state"] == "failed" for row in self.rows)

    def summary(self) -> dict[str, Any]:
        """The results as plain values."""
        return {"folder": str(self.folder), "scenes": len(self.rows), "failed": self.failed, "results": [dict(row) for row in self.rows]}


def find_scenes(folder: str | os.PathLike) -> list[Path]:
    """The image files directly in a folder, by name. Raises SceneError when there are none."""
    folder = Path(folder)
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in SCENE_SUFFIXES and not path.name.startswith("."))
    if not found:
        raise SceneError(f"no image in {folder}", expected=f"files ending in {', '.join(SCENE_SUFFIXES)}", do="Name a folder of scenes")
    return found


def predict_batch(
    model: Model | str | os.PathLike,
    scenes: Iterable[str | os.PathLike],
    folder: str | os.PathLike,
    settings: PredictSettings | None = None,
    *,
    engine: Engine | str | None = None,
    crs: CRS | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **told: Any,
) -> BatchResult:
    """Predict scenes into subfolders of `folder` that bear their names; settings and `engine` are those of `predict`.

    crs: that of scenes which have a transform and name none.

    A scene that cannot be predicted becomes a row with its error. `results.csv` and `results.json` in `folder` are
    renewed after each scene. A run that was stopped goes on where it was: scenes that are finished with the same
    settings are kept. Raises ModelError, SettingsError, Cancelled.
    """
    from core.prediction.predict import predict  # brings numba, which a page that only lists scenes does without

    model = model if isinstance(model, Model) else find_model(model)
    folder, paths = Path(folder), [Path(path) for path in scenes]
    settings = replace(settings or PredictSettings(), **told)
    ready = engine if isinstance(engine, Engine) else open_engine(model, engine=engine or settings.engine, patch_size=settings.patch_size)
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for number, (path, name) in enumerate(zip(paths, _names(paths), strict=True)):
        check(should_stop)
        listener = part(on_progress, number, number + 1, len(paths), message=lambda words, name=path.name: f"{name}: {words}")
        row = dict.fromkeys(_COLUMNS)
        try:
            callables = dict(on_progress=listener, should_stop=should_stop)
            scene = open_scene(path)
            if crs is not None and scene.geo.unnamed:
                scene = scene.with_geo(scene.geo.named(crs))
            done = predict(model, scene, folder / name, settings, engine=ready, keep_finished=True, **callables).summary()
            row.update({key: done[key] for key in ("seconds", "windows", "seam_score", "folder")}, state="done")
            row["warnings"] = " ".join(warning["sentence"] for warning in done["warnings"])
        except GroundlineError as error:
            row.update(state="failed", error=str(error))
        rows.append({**row, "scene": str(path)})
        _write_table(folder, rows)
    return BatchResult(folder, tuple(rows))


def _names(paths: list[Path]) -> list[str]:
    """A folder name for each scene: its stem, with its ending where two share a stem, numbered where that is not enough."""
    stems = [path.stem for path in paths]
    names: list[str] = []
    for path in paths:
        name = path.stem if stems.count(path.stem) == 1 else path.name.replace(".", "_")
        number = 2
        unique = name
        while unique in names:
            unique, number = f"{name}_{number}", number + 1
        names.append(unique)
    return names


def _write_table(folder: Path, rows: list[dict[str, Any]]) -> None:
    with replacing(folder / TABLE_FILE) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _COLUMNS)
        writer.writeheader()
        writer.writerows({key: in_table(value) for key, value in row.items()} for row in rows)
    write_json(folder / RESULTS_FILE, rows)
