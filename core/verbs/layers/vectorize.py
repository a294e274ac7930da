"""Verb vectorize: turn a prediction into polygons and write them."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.classes import COLOURINGS, NATURAL
from core.errors import ExportError, ModelError
from core.files import refuse_no_file
from core.progress import OnProgress, ShouldStop, check, part, report
from core.reading.postgis import FORM, TableAddress, is_address, read_address
from core.reading.readable import refuse_no_scene
from core.settings import REQUIRED, Settings, group, setting
from core.vector.formats.products import PRODUCTS
from core.vector.settings import VectorSettings
from core.verbs.options import request_of
from core.verbs.tables import files_written, known, table
from core.verbs.verb import Answer, Typed, Verb

_FAULTS = {"invalid": "invalid polygons", "gap_area": "area in gaps", "overlap_area": "area in overlaps"}
_TRACED = 0.7
"""Share of the progress after which the polygons are there and the files are written."""


@dataclass(frozen=True)
class VectorizeRequest(Settings):
    """What `vectorize` can be told."""

    prediction: Path = setting(REQUIRED, "prediction folder, or any single-band class raster", flag="PREDICTION")
    files: tuple[Path, ...] = setting((), f"file to write: {' '.join(PRODUCTS)}; or a table in PostGIS: {FORM}", flag="OUT")
    tables: tuple[str, ...] = setting((), f"tables in PostGIS to write: {FORM}", flag="")
    overwrite: bool = setting(False, "replace tables in PostGIS that Groundline wrote; files are always replaced")
    drawing: VectorSettings = group(VectorSettings())
    scene: Path | None = setting(None, "picture below the polygons of an .html map; the predicted scene's when left away", metavar="SCENE")
    colours: str = setting(
        NATURAL,
        "colours of the classes: natural by their names, those of the masks, or safe for the colour-blind",
        choices=tuple(COLOURINGS),
    )
    crs: str | None = setting(None, "coordinates to write, for example EPSG:4326; names the CRS of a raster that has a transform and none")


def run(asked: VectorizeRequest, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, **_: Any) -> Answer:
    """Turn a prediction or class raster into polygons and write them to each of the files asked for."""
    refuse_no_scene(asked.prediction)

    from core.vector.formats.products import product_of

    for file in asked.files:  # which are minutes of tracing away
        product_of(file)
        refuse_no_file(file)
    tables = [read_address(text) for text in asked.tables]
    if tables:
        from core.vector.formats.postgis import refuse_table

        for table in tables:
            refuse_table(table, lines=bool(asked.drawing.centre_lines), overwrite=asked.overwrite)
    geo, crs, notes = _named(asked)
    # Here and not above: what traces takes seconds to load, and a source that cannot be opened is told at once.
    from core.vector.vectorize import vectorize

    traced = _TRACED if asked.files or tables else 1
    tracing, writing = part(on_progress, 0, traced, 1), part(on_progress, traced, 1, 1)
    result = vectorize(asked.prediction, asked.drawing, geo=geo, on_progress=tracing, should_stop=should_stop)
    files = export_all(
        result.layer,
        asked.files,
        colours=asked.colours,
        crs=crs,
        scene=_pictured(asked),
        prediction=_predicted(asked),
        lines=result.lines,
        tables=tables,
        overwrite=asked.overwrite,
        on_progress=writing,
        should_stop=should_stop,
    )
    unknown = int(result.layer.frame[result.layer.area_column].isna().sum())
    if unknown:
        notes.append(f"{unknown} polygons reach off the earth and have no area.")
    return {**result.summary(), "files": files, "notes": [*notes, *(note for file in files for note in file["notes"])]}


def _named(asked: VectorizeRequest) -> tuple[Any, str | None, list[str]]:
    """The georeference of a raster whose CRS `--crs` names (None: its own), the CRS to write (None: the layer's), and a note on both."""
    from core.geo import read_crs
    from core.prediction.folder.rasters import Prediction, is_prediction
    from core.scenes.opening import open_scene

    crs = None if asked.crs is None else read_crs(asked.crs)
    source = asked.prediction
    geo = Prediction.open(source).geo if is_prediction(source) else open_scene(source, expand_palette=False).geo
    if not geo.unnamed:
        return None, asked.crs, []
    if crs is None:
        return None, None, [f"{source.name} names no CRS: coordinates are {geo.coordinates}. --crs names it."]
    return geo.named(crs), None, [f"{source.name} names no CRS: its coordinates are taken to be {crs.name}, as --crs says."]


def export_all(
    layer: Any,
    files: Sequence[Path],
    *,
    colours: str = NATURAL,
    crs: str | None = None,
    scene: Any = None,
    prediction: Any = None,
    lines: Any = None,
    tables: Sequence[TableAddress] = (),
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> list[dict[str, Any]]:
    """Write a layer to each file and table; say how many features each holds when read again (None for what is no layer), and what to note.

    What cannot hold the layer keeps no other from being written: ExportError is raised when those are there.

    `colours` is one of `COLOURINGS`, `scene` the picture below the polygons of a map, `prediction` what a report says more about, `lines`
    the centre lines that go with the polygons; None for none. `overwrite`: whether older tables of ours may be replaced.
    """
    from core.vector.formats.export import write_product

    written: list[tuple[str, dict[str, Any]]] = []
    card = card_of(prediction)
    scheme = layer.scheme.coloured(colours)
    layer, lines = replace(layer, scheme=scheme), None if lines is None else replace(lines, scheme=scheme)
    refused: list[ExportError] = []
    places: list[Path | TableAddress] = [*files, *tables]
    for number, place in enumerate(places):
        check(should_stop)
        report(on_progress, number, len(places), f"Writing {place.name}")
        notes: list[str] = []
        try:
            if isinstance(place, TableAddress):
                from core.vector.formats.postgis import write_table

                step = part(on_progress, number / len(places), (number + 1) / len(places), 1)
                how: dict[str, Any] = {"overwrite": overwrite, "on_progress": step, "should_stop": should_stop}
                features: int | None = write_table(layer, place, crs=crs, lines=lines, on_note=notes.append, **how)
            else:
                known = {"card": card, "prediction": prediction}
                features = write_product(layer, place, crs=crs, scene=scene, lines=lines, on_note=notes.append, **known)
        except ExportError as error:
            refused.append(error)
            continue
        written.append((place.name, {"path": str(place), "features": features, "notes": notes}))
    if refused:
        first = refused[0]
        names = [name for name, _ in written]
        others = f" (written: {', '.join(names)})" if names else ""
        more = f", and {len(refused) - 1} more such" if len(refused) > 1 else ""
        raise ExportError(f"{first.found}{more}{others}", expected=first.expected, do=first.do) from first
    report(on_progress, len(places), len(places), "Written")
    return [entry for _, entry in written]


def _predicted(asked: VectorizeRequest) -> Any:
    """The prediction to trace, None for a plain class raster."""
    from core.prediction.folder.rasters import Prediction, is_prediction

    return Prediction.open(asked.prediction) if is_prediction(asked.prediction) else None


def card_of(prediction: Any) -> Any:
    """The card of the model behind a prediction; None for no prediction, and for a model that is no longer there."""
    from core.model_store.models import find_model

    if prediction is None:
        return None
    try:
        return find_model(prediction.card_name).card
    except ModelError:
        return None


def _pictured(asked: VectorizeRequest) -> Any:
    """The scene to show in a map: the one named, or the one that the prediction was made of while it is still there."""
    from core.scenes.opening import open_scene

    if asked.scene is not None:
        return open_scene(asked.scene)
    prediction = _predicted(asked)
    if prediction is None:
        return None
    path = Path(prediction.made.get("scene") or "")
    return open_scene(path) if path.is_absolute() and path.exists() else None


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """Polygons and areas of each class, faults, and the files."""
    from core.geo import UNNAMED

    unit = "m2" if answer["units"] == "m" else "px"
    where = answer["crs"] or ("those of the file's transform, no CRS" if answer["coordinates"] == UNNAMED else "pixels")
    yield f"{answer['polygons']} polygons in {answer['seconds']:.1f} s, coordinates: {where}"
    rows = [(name, values["polygons"], _area(values)) for name, values in answer["classes"].items()]
    yield from table(("class", "polygons", f"area ({unit})"), rows)
    faults = [f"{answer[key]:g} {text}" for key, text in _FAULTS.items() if answer[key]]
    if faults:
        yield "Faults: " + ", ".join(faults)
    yield from files_written(answer["files"])
    for note in answer["notes"]:
        yield f"Note: {note}"


def _area(values: Mapping[str, Any]) -> str:
    area = values.get("area_m2") if values.get("area_m2") is not None else values.get("area_px")
    return known(area, ",.1f")


def _typed(given: argparse.Namespace) -> Typed:
    """Words for OUT that are addresses are tables."""
    request = request_of(given)
    request["tables"] = [word for word in request["files"] if is_address(word)]
    request["files"] = [word for word in request["files"] if not is_address(word)]
    return VERB, request


VERB = Verb(
    "vectorize",
    VectorizeRequest,
    run,
    summary,
    place="layers",
    writes=("out", "files"),
    typed=_typed,
)
