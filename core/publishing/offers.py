"""What a workspace has to offer by URL: its finished layers, the classes of its predictions, and the pictures below them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyogrio
from pyproj import CRS
from pyproj.exceptions import CRSError

from core.digests import digest_of
from core.errors import GroundlineError, InputError, SceneError
from core.geo import lonlat_bounds, on_earth
from core.handover.catalogue import COLLECTION, plain_id
from core.handover.folder import POLYGONS
from core.prediction.folder.origin import ATTRIBUTION, source_scene
from core.prediction.folder.rasters import LABELS, PREDICTION_FILE, Prediction, prediction_folders, sort_predictions
from core.publishing.coordinates import Box, lonlat_box, within
from core.publishing.kept import is_kept, kept_on, key_of
from core.scenes.opening import open_scene
from core.scenes.remote.links import is_link, read_link
from core.scenes.scene import Scene
from core.scenes.warping import can_warp
from core.words import counted
from core.workspace import WORKSPACE_VARIABLE, Workspace

FEATURES, CLASSES, PICTURE = "features", "classes", "picture"
_PLACES = ("runs", "predictions", "layers", "models", "prepared")
"""Folders by which a workspace is known; one of them is there as soon as anything was done in it."""
_LONGEST_ID = 60


@dataclass(frozen=True)
class Offer:
    """One collection: polygons or lines of a file, or a raster as tiles.

    kind: FEATURES, CLASSES or PICTURE. path: the file. layer: its layer, of FEATURES. prediction: the folder that it belongs to, where that
    is known. box: where it lies in degrees. reach: its bounds in its own CRS, of FEATURES. crs: that CRS as text.
    """

    id: str
    kind: str
    title: str
    about: str
    path: Path
    box: Box
    layer: str = ""
    crs: str = ""
    reach: Box = (0.0, 0.0, 0.0, 0.0)
    prediction: Path | None = None
    attribution: str = ""
    licence: str = ""


def require_workspace(folder: Path) -> Workspace:
    """The workspace in a folder. Raises InputError where there is none."""
    if not any((folder / place).is_dir() for place in _PLACES):
        raise InputError(
            f"{folder} is no workspace" if folder.is_dir() else f"nothing at {folder}",
            expected="the folder in which the dashboard keeps predictions and layers",
            do=f"Name that folder; the dashboard's is workspace/ beside start.py unless {WORKSPACE_VARIABLE} names another",
        )
    return Workspace(folder)


def stamp(workspace: Workspace) -> tuple[tuple[str, int, int], ...]:
    """What changes whenever something is finished, replaced or deleted in a workspace."""
    found = []
    for path in (*(folder / PREDICTION_FILE for folder in prediction_folders(workspace)), *_vector_files(workspace)):
        try:
            told = path.stat()
        except OSError:  # deleted meanwhile
            continue
        found.append((str(path), told.st_mtime_ns, told.st_size))
    return tuple(sorted(found))


def offered(workspace: Workspace) -> tuple[list[Offer], list[str]]:
    """All that can be served, predictions first, newest first; and a sentence about each thing that cannot."""
    found: dict[str, Offer] = {}
    notes = []
    folders, bad = sort_predictions(prediction_folders(workspace))
    notes += [f"{one.path.name} is left out: {one.reason}" for one in bad]
    homes = {real: folder for folder in folders for real in (os.path.realpath(folder), key_of(folder))}
    layers = (one for file in _vector_files(workspace) for one in _layers(workspace, file, homes.get(_home(workspace, file))))
    for one in (*_rasters(workspace, folders), *layers):
        if isinstance(one, Offer):
            found.setdefault(one.id, one)
        else:
            notes.append(one)
    return list(found.values()), notes


def offers_of(workspace: Workspace, source: Path) -> list[Offer]:
    """What is served of one prediction folder or class raster: its classes, its picture and its layers."""
    rasters = _rasters(workspace, [source]) if (source / PREDICTION_FILE).is_file() else ()
    own = os.path.realpath(source), key_of(source)
    layers = (one for file in _vector_files(workspace) if _home(workspace, file) in own for one in _layers(workspace, file, source))
    return [one for one in (*rasters, *layers) if isinstance(one, Offer)]


def _home(workspace: Workspace, file: Path) -> str:
    """What a layer's file is of: the key where the map page kept it, else the folder of the prediction where a sample's run lays that."""
    return file.parent.name if is_kept(workspace, file) else os.path.realpath(file.parent / "prediction")


# ---- rasters ----


def _rasters(workspace: Workspace, folders: Iterable[Path]) -> Iterator[Offer | str]:
    for folder in folders:
        try:
            yield from _of_prediction(workspace, Prediction.open(folder))
        except (GroundlineError, OSError) as error:  # moved away or damaged meanwhile
            yield f"{folder.name} is left out: {error}"


def _of_prediction(workspace: Workspace, prediction: Prediction) -> Iterator[Offer | str]:
    folder, title = prediction.folder, Path(prediction.made.get("scene", prediction.folder.name)).stem
    labels = prediction.scene(LABELS)
    if not can_warp(labels):
        yield f"{title} ({folder.name}) is left out: it has no CRS, so it has no place on a map"
        return
    told = f"Classes that {prediction.card_name} found: {', '.join(prediction.scheme.names)}."
    owner = str(prediction.made.get(ATTRIBUTION) or "")
    yield _raster(workspace, folder, labels, CLASSES, f"{title}: classes", told, owner)
    if _elsewhere(prediction):
        yield f"The picture of {title} is left out: it lies on another machine, which is asked for nobody else"
        return
    scene = source_scene(prediction)
    if scene is not None and can_warp(opened := open_scene(scene)):
        yield _raster(workspace, folder, opened, PICTURE, f"{title}: picture", "The picture that was predicted.", owner)


def _elsewhere(prediction: Prediction) -> bool:
    """Whether the picture of a prediction would have to be fetched: who asks here has not typed its address."""
    path = Path(str(prediction.made.get("scene") or ""))
    try:
        return is_link(path) and read_link(path).whole is None
    except SceneError:
        return True


def _raster(workspace: Workspace, folder: Path, scene: Scene, kind: str, title: str, about: str, owner: str) -> Offer:
    (south, west), (north, east) = lonlat_bounds(scene.geo, scene.height, scene.width) or [[-90.0, -180.0], [90.0, 180.0]]
    box = within(west), south, within(east), north
    return Offer(_id(workspace, folder, title, kind), kind, title, about, scene.path, box, prediction=folder, attribution=owner)


# ---- layers ----


def _vector_files(workspace: Workspace) -> list[Path]:
    """GeoPackages of layers, and those of folders that were made to hand over."""
    depths = ("*", "*/*", "*/*/*")
    files = [path for depth in depths for path in workspace.layers.glob(f"{depth}.gpkg")]
    files += [path for depth in depths[:2] for path in workspace.exports.glob(f"{depth}/{POLYGONS}.gpkg")]
    return sorted(path for path in files if path.is_file() and not any(part.startswith(".") for part in path.parts[-3:]))


def _layers(workspace: Workspace, file: Path, prediction: Path | None) -> Iterator[Offer | str]:
    """The layers of one file, or why it has none."""
    try:
        for name, kind in pyogrio.list_layers(file):
            if kind is not None:
                yield _layer(workspace, file, str(name), prediction)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, CRSError, OSError, ValueError) as error:
        yield f"{file.name} is left out: {str(error).splitlines()[0]}"


def _layer(workspace: Workspace, file: Path, name: str, prediction: Path | None) -> Offer | str:
    info = pyogrio.read_info(file, layer=name, force_feature_count=True, force_total_bounds=True)
    crs = None if info["crs"] is None else CRS.from_user_input(info["crs"])
    if crs is None or not on_earth(crs):
        return f"{file.name} ({name}) is left out: it has no CRS, so it has no place on the earth"
    bounds = info["total_bounds"]
    reach: Box = (0.0, 0.0, 0.0, 0.0)
    if info["features"] and bounds is not None:
        reach = float(bounds[0]), float(bounds[1]), float(bounds[2]), float(bounds[3])
    box = lonlat_box(reach, crs) if info["features"] else None
    if info["features"] and box is None:
        return f"{file.name} ({name}) is left out: it lies where {crs.name} does not hold"
    made = _made(info)
    source = Path(str(made.get("source") or file.stem)).stem
    title = f"{source}: {name.removeprefix(file.stem).strip('_') or 'polygons'}"
    by = f" by {made['model']}" if made.get("model") else ""
    if is_kept(workspace, file):
        where = f"as the map page showed them on {kept_on(file)}"
    else:  # every folder to hand over calls its file alike
        where = f"in {file.name} of {file.parent.name}" if file.is_relative_to(workspace.exports) else f"in {file.name}"
    about = f"{counted(info['features'], 'feature')}{by}, {where}."
    attribution, licence = _catalogued(file.parent)
    return Offer(
        _id(workspace, file, title, name),
        FEATURES,
        title,
        about,
        file,
        box or (-180.0, -90.0, 180.0, 90.0),
        layer=name,
        crs=crs.to_wkt(),
        reach=reach,
        prediction=prediction,
        attribution=attribution or str(made.get(ATTRIBUTION) or ""),
        licence=licence,
    )


def _made(info: dict) -> dict:
    """How a layer of ours was made; {} for any other."""
    try:
        made = json.loads((info.get("layer_metadata") or {}).get("made", "{}"))
    except ValueError:
        return {}
    return made if isinstance(made, dict) else {}


def _catalogued(folder: Path) -> tuple[str, str]:
    """Whom the picture belongs to and under which licence the result is, as the catalogue of a folder to hand over says; "" for none."""
    try:
        told = json.loads((folder / COLLECTION).read_text(encoding="utf-8"))
        return " ".join(str(one["name"]) for one in told.get("providers") or ()), str(told.get("license") or "").replace("other", "")
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return "", ""


def _id(workspace: Workspace, place: Path, title: str, part: str) -> str:
    """A name for addresses that stays as long as its file has its place: letters, digits and dashes."""
    try:
        where = place.relative_to(workspace.root).as_posix()
    except ValueError:  # a link leads there
        where = str(place)
    return f"{plain_id(title)[:_LONGEST_ID]}-{digest_of(where, part)[:6]}"
