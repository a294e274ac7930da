"""Verb fetch: put the tiles of a map server together to one picture."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import SettingsError
from core.progress import OnProgress, ShouldStop
from core.reading.map_services import FORMATS, PNG
from core.settings import REQUIRED, SERVICE, Settings, setting
from core.verbs.verb import Answer, Verb, place_of

_SUFFIXES = (".tif", ".tiff")
_CORNERS = "WEST,SOUTH,EAST,NORTH"
_PICTURES = {kind.removeprefix("image/"): kind for kind in FORMATS}


def four_numbers(text: str) -> list[float]:
    """Four numbers with commas between them. Raises ArgumentTypeError."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 4:
        raise argparse.ArgumentTypeError(f"{text!r} is not {_CORNERS}, for example 55.2,25.1,55.3,25.2")
    return numbers


@dataclass(frozen=True)
class FetchRequest(Settings):
    """What `fetch` can be told."""

    source: Path = setting(
        REQUIRED,
        "tiles with {z}, {x} and {y} or {-y}, a TileJSON, a WMS (...?service=WMS) or a WMTS (...?service=WMTS, or its capabilities)",
        flag="SOURCE",
        address=SERVICE,
    )
    out: Path | None = setting(None, "GeoTIFF to write", flag="OUT")
    bbox: tuple[float, float, float, float] | None = setting(
        None, "region in degrees; --bbox=-1,... where it begins with a minus", metavar=_CORNERS, read=four_numbers
    )
    extent: tuple[float, float, float, float] | None = setting(
        None, "region in the coordinates of the layer, instead", metavar=_CORNERS, read=four_numbers
    )
    zoom: str | None = setting(None, "level of the tiles, by its name", metavar="Z")
    gsd: float | None = setting(None, "largest side of pixels on the ground in metres, instead; a WMS draws just that", metavar="M")
    layer: str | None = setting(None, "layer of a WMS (several with commas between them) or WMTS, as its capabilities list it")
    crs: str | None = setting(None, "CRS to ask a WMS for; Web Mercator when left away, for example EPSG:25832")
    picture: str = setting("png", "format to ask a WMS for", choices=tuple(_PICTURES), key="format")
    attribution: str | None = setting(None, "whom the picture belongs to; what the server says when left away")
    plan: bool = setting(False, "only say how large it becomes; nothing but capabilities is asked for")


def run(asked: FetchRequest, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, **_: Any) -> Answer:
    """Put the tiles of a region together."""
    from core.scenes.remote.links import is_link, read_link
    from core.scenes.remote.tiles.levels import plan
    from core.scenes.remote.tiles.offers import read_offer
    from core.scenes.remote.tiles.putting import put_together

    if not is_link(asked.source):
        raise SettingsError(f"{asked.source} as a map server", expected="an address: https://...", do="Type the server's address")
    out = None if asked.plan else place_of(asked.out)
    if out is not None and out.suffix.lower() not in _SUFFIXES:
        raise SettingsError(f"a picture called {out.name}", expected="a name that ends in .tif", do="Change the ending")
    source = read_link(asked.source).address
    offer = read_offer(
        source,
        layer=asked.layer or "",
        crs=asked.crs,
        bbox=asked.bbox,
        extent=asked.extent,
        gsd_m=asked.gsd,
        picture=_PICTURES.get(asked.picture, PNG),
        should_stop=should_stop,
    )
    zoom, gsd = asked.zoom, asked.gsd
    planned = plan(offer, bbox=asked.bbox, extent=asked.extent, zoom=zoom, gsd_m=gsd)
    whose = asked.attribution or offer.attribution
    answer: Answer = {
        "file": None if out is None else str(out),
        "title": offer.title,
        "width": planned.window.width,
        "height": planned.window.height,
        "tiles": len(planned.tiles),
        "missing": 0,
        "megabytes": round(planned.megabytes, 2),
        "pixel_m": round(planned.ground_m, 4),
        "crs": planned.level.crs.name,
        "attribution": whose,
    }
    if out is None:
        return answer
    done = put_together(planned, out, source=source, attribution=whose, on_progress=on_progress, should_stop=should_stop)
    return {**answer, "missing": done.missing}


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """Size, number of tiles, and whose the picture is."""
    yield (
        f"{answer['title']}: {answer['width']:,} x {answer['height']:,} pixels of {answer['pixel_m']:.3g} m, "
        f"{answer['tiles']:,} tiles, about {answer['megabytes']:.3g} MB, {answer['crs']}"
    )
    yield f"The picture belongs to: {answer['attribution'] or 'the server does not say (--attribution)'}"
    if answer["missing"]:
        yield f"Note: {answer['missing']} tiles are not on the server; there the picture holds nothing."
    if answer["file"]:
        yield f"Written to {answer['file']}"


VERB = Verb("fetch", FetchRequest, run, summary, place="remote")
