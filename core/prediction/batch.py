"""Many scenes through one model: one folder each, one table of results, and a failure stops nothing."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

from pyproj import CRS

from core.cluster.driving import Driven, Task, drive
from core.cluster.where import Where, read_where
from core.digests import digest_of
from core.errors import GroundlineError, SceneError
from core.files import delete, read_json, replacing, write_json
from core.model_store.models import Model, find_model
from core.plain import in_table
from core.prediction.engines.engine import Engine, open_engine
from core.prediction.kept import given_up, kept_engine
from core.prediction.settings import PredictSettings
from core.progress import OnProgress, ShouldStop, check, part
from core.reading.addresses import is_address
from core.scenes.image_names import ARRAY_SUFFIXES, HDF5_SUFFIXES, RASTER_SUFFIXES
from core.scenes.opening import open_scene
from core.scenes.remote.links import is_link, link_of

SCENE_SUFFIXES = (*RASTER_SUFFIXES, *HDF5_SUFFIXES, *ARRAY_SUFFIXES)
LIST_SUFFIX, _MOST_LISTED = ".txt", 100_000
TABLE_FILE, RESULTS_FILE = "results.csv", "results.json"
LARGE_PX = 64_000_000
"""Scenes of more pixels are predicted by blocks of them, where there are several workers."""
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
    driven: Driven | None = None

    @property
    def failed(self) -> int:
        """Number of scenes that failed."""
        return sum(row["state"] == "failed" for row in self.rows)

    def summary(self) -> dict[str, Any]:
        """The results as plain values."""
        told = {"folder": str(self.folder), "scenes": len(self.rows), "failed": self.failed, "results": [dict(row) for row in self.rows]}
        return {**told, **({"cluster": self.driven.summary()} if self.driven else {})}


def find_scenes(folder: str | os.PathLike) -> list[Path]:
    """The image files directly in a folder, by name, or what a .txt lists: a path (from its own folder) or an address on each line.

    Raises SceneError when there are none.
    """
    folder = Path(folder)
    if is_link(folder):
        return [folder]
    if folder.suffix.lower() == LIST_SUFFIX and folder.is_file():
        return _listed(folder)
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in SCENE_SUFFIXES and not path.name.startswith("."))
    if not found:
        raise SceneError(f"no image in {folder}", expected=f"files ending in {', '.join(SCENE_SUFFIXES)}", do="Name a folder of scenes")
    return found


def _listed(file: Path) -> list[Path]:
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        lines = []
    named = [line for line in lines if line and not line.startswith("#")]
    if not named or len(named) > _MOST_LISTED:
        raise SceneError(
            f"{len(named):,} scenes in {file.name}", expected=f"1 to {_MOST_LISTED:,} paths or addresses, one a line", do="Mend it"
        )
    return [link_of(line) if is_address(line) else file.parent / Path(line).expanduser() for line in named]


def predict_batch(
    model: Model | str | os.PathLike,
    scenes: Iterable[str | os.PathLike],
    folder: str | os.PathLike,
    settings: PredictSettings | None = None,
    *,
    engine: Engine | str | None = None,
    crs: CRS | None = None,
    cluster: str | Where | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **told: Any,
) -> BatchResult:
    """Predict scenes into subfolders of `folder` that bear their names; settings and `engine` are those of `predict`.

    crs: that of scenes which have a transform and name none. cluster: what `read_where` reads; its workers then take a scene each, and
    share those of more than `LARGE_PX` pixels.

    A scene that cannot be predicted becomes a row with its error. `results.csv` and `results.json` in `folder` are
    renewed after each scene. A run that was stopped goes on where it was: scenes that are finished with the same
    settings are kept. Raises ModelError, SettingsError, Cancelled.
    """
    model = model if isinstance(model, Model) else find_model(model)
    where = read_where(cluster)
    folder, paths = Path(folder), [Path(path) for path in scenes]
    settings = replace(settings or PredictSettings(), **told)
    ready = engine if isinstance(engine, Engine) else open_engine(model, engine=engine or settings.engine, patch_size=settings.patch_size)
    folder.mkdir(parents=True, exist_ok=True)
    places = [folder / name for name in _names(paths)]
    spread = _spread(where, model, ready.name, paths, places, settings, crs, on_progress, should_stop) if where is not None else _NOTHING
    rows: list[dict[str, Any]] = []
    for number, (path, place) in enumerate(zip(paths, places, strict=True)):
        check(should_stop)
        if path in spread.rows:
            rows.append(spread.rows[path])
        else:
            listener = part(on_progress, number, number + 1, len(paths), message=_named(path.name))
            done = partial(
                _predicted, cluster=where if model.card.measured is None else None, on_progress=listener, should_stop=should_stop
            )
            rows.append(done(model, path, place, settings, ready, crs))
        _write_table(folder, rows)
    if spread.folder is not None:
        delete(spread.folder)
    return BatchResult(folder, tuple(rows), spread.driven)


def _named(name: str) -> Callable[[str], str]:
    return lambda words: f"{name}: {words}"


def _predicted(
    model: Model, path: Path, place: Path, settings: PredictSettings, engine: Engine, crs: CRS | None, **callables: Any
) -> dict[str, Any]:
    """One scene predicted, as its row of the table."""
    from core.prediction.predict import predict  # brings numba, which a page that only lists scenes does without
    from core.scenes.remote.whole import arrive

    row = dict.fromkeys(_COLUMNS)
    try:
        arrive(path, on_progress=callables.get("on_progress"), should_stop=callables.get("should_stop"))
        scene = open_scene(path)
        if crs is not None and scene.geo.unnamed:
            scene = scene.with_geo(scene.geo.named(crs))
        done = predict(model, scene, place, settings, engine=engine, keep_finished=True, **callables).summary()
        row.update({key: done[key] for key in ("seconds", "windows", "seam_score", "folder")}, state="done")
        row["warnings"] = " ".join(warning["sentence"] for warning in done["warnings"])
    except GroundlineError as error:
        row.update(state="failed", error=str(error))
    return {**row, "scene": str(path)}


@dataclass(frozen=True)
class _Spread:
    """What a cluster has predicted: rows by scene, the folder that holds them until the table does, and how it went."""

    rows: Mapping[Path, dict[str, Any]]
    folder: Path | None
    driven: Driven | None


_NOTHING = _Spread({}, None, None)


def _spread(where: Where, model, engine, paths, places, settings, crs, on_progress, should_stop) -> _Spread:
    """Predict the scenes that one worker can take, each on one; the others are left to blocks."""
    sizes = {path: _pixels(path) for path in paths}
    job = digest_of(str(model.file), model.card.to_dict(), engine, settings, str(crs), str(places[0].parent.resolve()))
    kept = places[0].parent.resolve() / f".rows-{job}"
    kept.mkdir(exist_ok=True)
    rows: dict[Path, dict[str, Any]] = {}
    scene_of = {place.name: path for path, place in zip(paths, places, strict=True)}

    def tasks(workers: int) -> list[Task]:
        # The largest come first, so that none of them is left alone at the end.
        chosen = sorted((pair for pair in zip(paths, places, strict=True) if sizes[pair[0]] <= LARGE_PX), key=lambda pair: -sizes[pair[0]])
        return [
            Task(
                place.name,
                (model.by_whole_path, path.resolve(), place.resolve(), settings, engine, crs, kept / f"{place.name}.json"),
                kept / f"{place.name}.json",
                max(sizes[path], 1) / 1e6,
            )
            for path, place in chosen
        ]

    def take(task: Task) -> None:
        path = scene_of[task.name]
        rows[path] = {**read_json(task.result), "scene": str(path)}

    callables = dict(on_done=take, shared=kept, on_progress=on_progress, should_stop=should_stop)
    driven = drive(where, job, predict_scene, tasks, message=f"Predicting {len(paths)} scenes", twice=False, **callables)
    return _Spread(rows, kept, driven)


def predict_scene(model: Model, path: Path, place: Path, settings: PredictSettings, engine: str, crs: CRS | None, row: Path) -> None:
    """What a worker does: predict one scene, and leave its row of the table in the file `row`."""
    ready = kept_engine(model, engine, settings.patch_size)
    write_json(row, _predicted(model, path, place, settings, ready, crs, should_stop=given_up(row.parent)))


def _pixels(path: Path) -> int:
    """Pixels of a scene; 0 where it cannot be opened, which its row will tell."""
    try:
        return open_scene(path).window.pixels
    except GroundlineError:
        return 0


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
