"""The folder that goes to whoever asked for the map: made whole beside its place, checked, listed with digests, then renamed."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.digests import content_digest
from core.errors import ExportError, SettingsError
from core.files import refuse_foreign_folder, refuse_no_file, replacing, replacing_folder, write_json
from core.handover import rasters
from core.handover.catalogue import COLLECTION, ITEM, Asset, Caption, time_of, write_catalogue
from core.handover.page import write_page
from core.handover.qgis.project import (
    ProjectGround,
    ProjectRaster,
    ProjectVectors,
    classes_layer,
    confidence_layer,
    scene_layer,
    write_project,
)
from core.handover.tiles import levels, write_tiles
from core.handover.words import RAW_LABELS, READS, readme
from core.prediction.folder.origin import ADDRESS, pictured
from core.prediction.folder.rasters import Prediction
from core.progress import OnProgress, ShouldStop, check, part
from core.projecting import LONLAT
from core.scenes.scene import Scene, Window
from core.vector.formats.content import content_of
from core.vector.formats.export import export, write_product
from core.vector.formats.styles import in_legend
from core.vector.layer import LineLayer, PolygonLayer
from core.vector.tracing.sources import open_labels

if TYPE_CHECKING:
    from core.model_store.cards import ModelCard

MANIFEST, _README = "manifest.json", "README.md"
POLYGONS, PROJECT, PAGE, SCRIPT = "polygons", "project.qgz", "map.html", "map-tiles.js"
LABELS, CONFIDENCE, SCENE, REPORT = "labels.tif", "confidence.tif", "scene.tif", "report.html"
GEOTIFF = "image/tiff; application=geotiff; profile=cloud-optimized"
_KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    f"{POLYGONS}.gpkg": ("application/geopackage+sqlite3", ("data",)),
    f"{POLYGONS}.parquet": ("application/vnd.apache.parquet", ("data",)),
    f"{POLYGONS}_lines.parquet": ("application/vnd.apache.parquet", ("data",)),
    f"{POLYGONS}.pmtiles": ("application/vnd.pmtiles", ("visual",)),
    LABELS: (GEOTIFF, ("data",)),
    CONFIDENCE: (GEOTIFF, ("data",)),
    SCENE: (GEOTIFF, ("data", "visual")),
    REPORT: ("text/html", ("overview",)),
    PAGE: ("text/html", ("overview",)),
    PROJECT: ("application/zip", ("visual",)),
}
_WEIGHTS = {"labels": 2, "confidence": 2, "scene": 4, "polygons": 2, "table": 1, "web": 5, "report": 1, "list": 1}
"""About how long each step takes, against the others."""


@dataclass
class _Work:
    """What the steps of one folder share."""

    folder: Path
    layer: PolygonLayer
    lines: LineLayer | None
    source: Path
    prediction: Prediction | None
    scene: Scene | None
    with_scene: bool
    told: Caption
    card: ModelCard | None
    how: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the rasters in pixels."""
        return self.layer.made["height"], self.layer.made["width"]


def hand_over(
    out: Path,
    layer: PolygonLayer,
    source: Path,
    *,
    told: Caption,
    lines: LineLayer | None = None,
    with_scene: bool = False,
    overwrite: bool = False,
    pack: bool = False,
    card: ModelCard | None = None,
    prediction: Prediction | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> dict[str, Any]:
    """Make the folder `out` of a layer and the prediction folder or class raster that it was traced from.

    with_scene: the picture goes into it. overwrite: an older such folder may go. pack: a zip of it is written beside it. card: of the
    model, for the report. Returns "folder", "files" (path, bytes, sha256), "zip" or None, and "notes" on what is not in it.
    Raises SettingsError before any work where `out` is taken, ExportError where a file cannot be written; then nothing is left of it.
    """
    refuse_taken(out, overwrite, pack=pack)
    if told.acquired:
        time_of(told.acquired)
    if layer.frame.empty:
        raise ExportError("a layer without polygons", expected="one polygon at least", do="Change the filter or the settings")
    if lines is not None:
        lines = replace(lines, made={**{key: layer.made.get(key) for key in ("software", "source", "model")}, **lines.made})
    scene = None if prediction is None else pictured(prediction)
    scene = None if scene is None else scene.with_geo(layer.geo)
    with replacing_folder(out) as folder:
        work = _Work(folder, layer, lines, source, prediction, scene, with_scene, told, card)
        _run(work, on_progress, should_stop)
        check(should_stop)
        files = _listed(folder)
        write_json(folder / MANIFEST, {"made_by": layer.made.get("software"), "title": told.title, "files": files})
    archive = _packed(out, should_stop) if pack else None
    return {"folder": str(out), "files": files, "zip": None if archive is None else str(archive), "notes": work.notes}


def refuse_taken(out: Path, overwrite: bool, *, pack: bool = False) -> None:
    """Raise SettingsError where a folder of that name holds something, unless it is such a folder and may be replaced; so for its zip."""
    refuse_foreign_folder(out, MANIFEST, "a new folder, or an older one to hand over")
    archive = packed_path(out)
    if pack:
        refuse_no_file(archive)
    taken = out if out.is_dir() and any(out.iterdir()) else archive if pack and archive.exists() else None
    if taken is not None and not overwrite:
        raise SettingsError(
            f"{taken} is there already", expected="a new place", do="Choose another one, or let it be replaced (--overwrite)"
        )


def packed_path(out: Path) -> Path:
    """Where the zip of a folder lies: beside it."""
    return out.with_name(f"{out.name}.zip")


def _run(work: _Work, on_progress: OnProgress | None, should_stop: ShouldStop | None) -> None:
    steps: list[tuple[str, str, Callable[[_Work], None]]] = [
        ("labels", "Writing the classes of the pixels", _labels),
        ("confidence", "Writing the confidence", _confidence),
        ("scene", "Writing the picture", _scene),
        ("polygons", "Writing the polygons", _polygons),
        ("table", "Writing the table", _table),
        ("web", "Writing the web map", _web),
        ("report", "Writing the report", _report),
        ("list", "Writing project, catalogue and README", _lists),
    ]
    whole, done = sum(_WEIGHTS.values()), 0
    for key, words, step in steps:
        check(should_stop)
        heard = part(on_progress, done, done + _WEIGHTS[key], whole, message=_always(words))
        if heard is not None:
            heard(0, 1, words)
        work.how = {"on_progress": heard, "should_stop": should_stop}
        step(work)
        done += _WEIGHTS[key]


def _always(words: str) -> Callable[[str], str]:
    """What says the same, whatever it is told."""
    return lambda _: words


def _labels(work: _Work) -> None:
    labels = open_labels(work.source)

    def read(window: Window) -> np.ndarray:
        return labels.rows(window.row, window.row_stop)[:, window.col : window.col_stop]

    given = read if work.prediction is None else work.prediction.labels
    rasters.write_classes(work.folder / LABELS, given, work.size, work.layer.geo, work.layer.scheme, **work.how)


def _confidence(work: _Work) -> None:
    if work.prediction is None:
        work.notes.append("There is no confidence: the map was made from a raster of classes.")
        return
    rasters.write_confidence(work.folder / CONFIDENCE, work.prediction.confidence, work.size, work.layer.geo, **work.how)


def _scene(work: _Work) -> None:
    if not work.with_scene:
        return
    if work.scene is None:
        work.notes.append("The picture is not in the folder: its file is no longer there, or it is another one by now.")
        return
    rasters.write_scene(work.folder / SCENE, work.scene, work.layer.geo, **work.how)


def _polygons(work: _Work) -> None:
    export(work.layer, work.folder / f"{POLYGONS}.gpkg", lines=work.lines)


def _table(work: _Work) -> None:
    export(work.layer, work.folder / f"{POLYGONS}.parquet", lines=work.lines)


def _web(work: _Work) -> None:
    layer, page = work.layer, work.folder / PAGE
    if not layer.geo.georeferenced:
        work.notes.append("There are no vector tiles: the picture has no place on the earth.")
        try:
            write_product(layer, page, title=work.told.title, scene=work.scene, lines=work.lines)
        except ExportError as error:
            work.notes.append(f"There is no web map: {error.found}.")
        return
    tiles = work.folder / f"{POLYGONS}.pmtiles"
    try:
        lost = len(layer.frame) - write_tiles(layer, tiles)
    except ExportError as error:  # polygons where the CRS holds no more
        tiles.unlink(missing_ok=True)
        work.notes.append(f"There is no web map, and there are no vector tiles: {error.found}.")
        return
    if lost:
        work.notes.append(f"{lost:,} polygons are too small for the vector tiles; the other files hold them.")
    low = levels(content_of(layer, ".geojson", crs=LONLAT, lonlat=True), layer)[0]
    with_it: dict[str, Any] = {"scene": work.scene, "lines": work.lines, "words": work.told.attribution}
    write_page(layer, page, tiles=tiles, script=work.folder / SCRIPT, title=work.told.title, low=low, **with_it)


def _report(work: _Work) -> None:
    given: dict[str, Any] = {"scene": work.scene, "card": work.card, "prediction": work.prediction, "lines": work.lines}
    write_product(work.layer, work.folder / f"{POLYGONS}.report.html", title=work.told.title, **given)
    (work.folder / f"{POLYGONS}.report.html").rename(work.folder / REPORT)


def _lists(work: _Work) -> None:
    _project(work)
    now = datetime.now(UTC).replace(microsecond=0)
    made = work.layer.made
    told = {
        "Picture": str(made.get("source") or ""),
        "Model": str(made.get("model") or ""),
        "Software": str(made.get("software") or ""),
        "Coordinates": work.layer.geo.coordinates,
        "Areas": str(made.get("area_method") or ""),
        "Picture by": work.told.attribution,
        "Picture from": str(made.get(ADDRESS) or ""),
        "Licence": "" if work.told.licence == "other" else work.told.licence,
        "Picture taken": work.told.acquired,
        "Folder made": now.strftime("%d %B %Y, %H:%M UTC"),
    }
    files = [path.name for path in work.folder.iterdir() if not path.name.startswith(".")]
    text = readme(work.layer, [*files, ITEM, COLLECTION, MANIFEST], title=work.told.title, lines=work.lines, notes=work.notes, told=told)
    (work.folder / _README).write_text(text, encoding="utf-8")
    assets = {name: _asset(work.folder / name) for name in _KINDS if name in files}
    write_catalogue(work.folder, work.layer, assets, work.told, now=now)


def _project(work: _Work) -> None:
    layer, folder = work.layer, work.folder
    about = content_of(layer, ".gpkg", crs=layer.geo.crs, lonlat=False)
    file = folder / f"{POLYGONS}.gpkg"
    vectors = [ProjectVectors(file, POLYGONS, "Polygons", about)]
    if work.lines is not None:
        lines = content_of(work.lines, ".gpkg", crs=layer.geo.crs, lonlat=False)
        vectors.insert(0, ProjectVectors(file, f"{POLYGONS}_lines", "Centre lines", lines))
    order = in_legend(layer.scheme.names, layer.made)
    below: list[ProjectRaster] = [classes_layer(folder / LABELS, "Class of each pixel", f"This is {RAW_LABELS}", layer.scheme, order)]
    if (folder / CONFIDENCE).exists():
        below.append(confidence_layer(folder / CONFIDENCE, "Confidence", "How sure the model was of each pixel."))
    picture = folder / SCENE
    scene = scene_layer(picture, "Picture", " ".join(filter(None, (READS[SCENE], work.told.attribution)))) if picture.exists() else None
    ground = ProjectGround(layer.geo, *work.size)
    told = work.told
    write_project(
        folder / PROJECT,
        ground,
        title=told.title,
        about=about.about(),
        vectors=vectors,
        rasters=below,
        scene=scene,
        attribution=told.attribution,
    )


def _asset(path: Path) -> Asset:
    media_type, roles = _KINDS[path.name]
    title = READS[path.name].format(labels=RAW_LABELS)
    return Asset(title, media_type, roles, path.stat().st_size, content_digest(path), classes=path.name == LABELS)


def _listed(folder: Path) -> list[dict[str, Any]]:
    """Every file of the folder with its bytes and SHA-256; two files of one name that a killed writer left would be listed too."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [{"path": path.relative_to(folder).as_posix(), "bytes": path.stat().st_size, "sha256": content_digest(path)} for path in paths]


def _packed(out: Path, should_stop: ShouldStop | None) -> Path:
    """A zip of the folder beside it, written in pieces of bounded size; what is compressed already is only stored."""
    path = packed_path(out)
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(out.iterdir()):
            check(should_stop)
            stored = file.suffix in (".tif", ".parquet", ".pmtiles", ".qgz")
            entry = zipfile.ZipInfo.from_file(file, f"{out.name}/{file.name}")
            entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            with file.open("rb") as read, archive.open(entry, "w", force_zip64=True) as write:
                shutil.copyfileobj(read, write, 1 << 20)
    return path
