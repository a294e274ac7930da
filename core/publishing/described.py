"""What is offered, in the words of pygeoapi's configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pyproj import CRS

from core.publishing.coordinates import CRS84, uri_of, uris_for
from core.publishing.offers import FEATURES, Offer
from core.publishing.tiles import DEEPEST, SCHEME

MOST_ITEMS = 10_000
"""Features of a page at most; who asks for more gets so many, and the address of the next page."""
ITEMS = 1_000
_PAGES = Path(__file__).with_name("pages")
_SPDX = "https://spdx.org/licenses/"


def configuration(offers: Iterable[Offer], address: str, *, title: str, attribution: str = "", licence: str = "") -> dict[str, Any]:
    """The whole configuration of a server at `address`; attribution and licence count for what has none of its own."""
    about = "Layers and rasters of a Groundline workspace: OGC API Features and Tiles."
    terms = {"name": licence or "as each collection says", "url": _page_of(licence)}
    return {
        "server": {
            "url": address,
            "mimetype": "application/json; charset=UTF-8",
            "encoding": "utf-8",
            "languages": ["en-US"],
            "pretty_print": False,
            "limits": {"default_items": ITEMS, "max_items": MOST_ITEMS, "on_exceed": "throttle"},
            "map": {"url": "", "attribution": ""},
            "templates": {"path": str(_PAGES), "static": ""},
        },
        "logging": {"level": "CRITICAL"},
        "metadata": {
            "identification": {
                "title": title,
                "description": about,
                "keywords": ["land cover"],
                "keywords_type": "theme",
                "terms_of_service": terms["url"],
                "url": address,
            },
            "license": terms,
            "provider": {"name": attribution or "Groundline", "url": address},
            "contact": {"name": attribution or "Groundline", "email": "", "url": address},
        },
        "resources": {offer.id: _collection(offer, attribution=attribution, licence=licence) for offer in offers},
    }


def _page_of(licence: str) -> str:
    """Where a licence can be read, by its SPDX name; the list of all of them for other words."""
    return f"{_SPDX}{licence}.html" if re.fullmatch(r"[0-9A-Za-z.+-]+", licence) else _SPDX


def _collection(offer: Offer, *, attribution: str, licence: str) -> dict[str, Any]:
    owner, terms = offer.attribution or attribution, offer.licence or licence
    by = " ".join(filter(None, (offer.about, owner and f"Picture by {owner}.", terms and f"Licence: {terms}.")))
    links = [{"type": "text/html", "rel": "license", "title": terms, "href": _page_of(terms), "hreflang": "en"}] if terms else []
    return {
        "type": "collection",
        "title": offer.title,
        "description": by,
        "keywords": [offer.kind],
        "links": links,
        "extents": {"spatial": {"bbox": list(offer.box), "crs": CRS84}},
        "providers": [_features(offer) if offer.kind == FEATURES else _tiles(offer, owner)],
    }


def _features(offer: Offer) -> dict[str, Any]:
    storage = storage_of(offer)
    return {
        "type": "feature",
        "name": "core.publishing.features.LayerFeatures",
        "data": str(offer.path),
        "layer": offer.layer,
        "crs_wkt": offer.crs,
        "crs": uris_for(storage),
        "storage_crs": storage,
    }


def storage_of(offer: Offer) -> str:
    """The URI of the CRS that a layer is told to be stored in: its own where that has a code."""
    return uri_of(CRS.from_user_input(offer.crs))


def _tiles(offer: Offer, owner: str) -> dict[str, Any]:
    return {
        "type": "tile",
        "name": "core.publishing.tiles.RasterTiles",
        "data": str(offer.path),
        "format": {"name": "png", "mimetype": "image/png"},
        "options": {
            "zoom": {"min": 0, "max": DEEPEST},
            "schemes": [SCHEME],
            "kind": offer.kind,
            "prediction": str(offer.prediction),
            "bounds": list(offer.box),
            "attribution": owner,
        },
    }
