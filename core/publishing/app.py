"""The web application: the routes that only read, answered by pygeoapi of what the workspace holds at that moment."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import pygeoapi.api as core_api
from pygeoapi.api import API, APIRequest, itemtypes, tiles
from pygeoapi.openapi import get_oas
from pygeoapi.util import render_j2_template
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from core.publishing.coordinates import CRS84, box_in_storage, uris_for
from core.publishing.described import configuration, storage_of
from core.publishing.offers import FEATURES, Offer, offered, stamp
from core.publishing.tiles import SCHEME
from core.workspace import Workspace

_LOOK_EVERY_S = 1.0
_WORKERS = 4
_JSON, _HTML, _LINKED, _PNG, _TILEJSON = "json", "html", "jsonld", "png", "tilejson"
_NOT_HERE = ("processes", "job-list")
"""Ends of the kinds of links that pygeoapi always names and that lead nowhere here."""
_NOT_DONE = ("ogcapi-features-4", "conf/mvt")
"""Parts of what pygeoapi always claims and that does not hold here: nothing is changed, and tiles are pictures."""
_OF_RASTERS = {"itemType": "tile", "dataType": "map", "layerDataType": "Raster"}
"""How programs know a collection without features: by the standard, and by what GDAL asks."""
_ABOUT = (core_api.landing_page, core_api.conformance, core_api.describe_collections)
_OF_FEATURES = (
    core_api.get_collection_schema,
    itemtypes.get_collection_queryables,
    itemtypes.get_collection_items,
    itemtypes.get_collection_item,
)
_OF_TILES = (tiles.get_collection_tiles, tiles.get_collection_tiles_metadata, tiles.get_collection_tiles_data)
_SQUARES = (tiles.tilematrixsets, tiles.tilematrixset)


@dataclass(frozen=True)
class Imprint:
    """What a server says of itself: its address, its title, and attribution and licence of what has none of its own."""

    address: str
    title: str
    attribution: str = ""
    licence: str = ""


class Shelf:
    """What a workspace offers, looked at anew at most once a second, so that new results appear without a restart."""

    def __init__(self, workspace: Workspace, told: Imprint):
        self._workspace, self._told = workspace, told
        self._lock = threading.Lock()
        self._looked = -math.inf
        self._stamp: tuple[tuple[str, int, int], ...] | None = None
        self._api: API | None = None
        self._described: dict[str, Any] | None = None
        self.offers: dict[str, Offer] = {}
        self.notes: list[str] = []

    def api(self) -> API:
        """pygeoapi's answers to the workspace as it is now."""
        with self._lock:
            if self._api is not None and time.monotonic() - self._looked < _LOOK_EVERY_S:
                return self._api
            now = stamp(self._workspace)
            if self._api is None or now != self._stamp:
                offers, self.notes = offered(self._workspace)
                told = self._told
                self.offers = {offer.id: offer for offer in offers}
                words = {"title": told.title, "attribution": told.attribution, "licence": told.licence}
                self._api = API(configuration(offers, told.address, **words), {})
                self._described, self._stamp = None, now
            self._looked = time.monotonic()
            return self._api

    def openapi(self) -> dict[str, Any]:
        """The description of all routes, made when it is asked for."""
        api = self.api()
        with self._lock:
            if self._described is None:
                self._described = get_oas(api.config, fail_on_invalid_collection=False)
            return self._described


class Publisher:
    """The routes, and how each is answered: by a few workers, so that many who ask wait instead of filling the memory."""

    def __init__(self, shown: Shelf):
        self._shown = shown
        self._workers = ThreadPoolExecutor(max_workers=_WORKERS, thread_name_prefix="served")

    def app(self) -> Starlette:
        """The application."""
        one, grid = "/collections/{id}", "/collections/{id}/tiles/{set}"
        ways: dict[str, Callable[..., Any]] = {
            "/": core_api.landing_page,
            "/conformance": core_api.conformance,
            "/collections": core_api.describe_collections,
            one: core_api.describe_collections,
            f"{one}/schema": core_api.get_collection_schema,
            f"{one}/queryables": itemtypes.get_collection_queryables,
            f"{one}/items": itemtypes.get_collection_items,
            f"{one}/items/{{item}}": itemtypes.get_collection_item,
            f"{one}/tiles": tiles.get_collection_tiles,
            grid: tiles.get_collection_tiles_metadata,
            f"{grid}/metadata": tiles.get_collection_tiles_metadata,
            f"{grid}/{{z}}/{{y}}/{{x}}": tiles.get_collection_tiles_data,
            "/TileMatrixSets": tiles.tilematrixsets,
            "/TileMatrixSets/{set}": tiles.tilematrixset,
        }
        routes = [Route(path, self._route(path, answer), methods=["GET"]) for path, answer in ways.items()]
        unknown: dict[Any, Any] = {HTTPStatus.NOT_FOUND: self._nowhere}
        return Starlette(routes=[Route("/openapi", self._openapi, methods=["GET"]), *routes], exception_handlers=unknown)

    def _route(self, path: str, answer: Callable[..., Any]) -> Callable[[Request], Any]:
        if answer is tiles.get_collection_tiles_data:
            known: tuple[str, ...] = (_PNG,)
        elif answer in _SQUARES:  # pygeoapi's own pages of these load what other servers keep
            known = (_JSON,)
        else:
            known = (_JSON, _HTML, _TILEJSON if answer is tiles.get_collection_tiles_metadata else _LINKED)

        async def answered(request: Request) -> Response:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._workers, self._answer, request, answer, known)

        return answered

    async def _openapi(self, request: Request) -> Response:
        told = await asyncio.get_running_loop().run_in_executor(self._workers, self._shown.openapi)
        return JSONResponse(told, media_type="application/vnd.oai.openapi+json;version=3.0")

    async def _nowhere(self, request: Request, error: Exception) -> Response:
        work = partial(self._refused, request, "There is nothing at this address.", HTTPStatus.NOT_FOUND)
        return await asyncio.get_running_loop().run_in_executor(self._workers, work)

    def _refused(self, request: Request, words: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> Response:
        """A sentence as JSON, or for a browser as a page that leads back."""
        known = (_JSON, _HTML)
        if request.query_params.get("f", _by_accept(request.headers.get("accept", ""), known)) == _HTML:
            api = self._shown.api()
            told = {"title": "Not found" if status == HTTPStatus.NOT_FOUND else "Not understood", "description": words}
            page = render_j2_template(api.tpl_config, api.config["server"]["templates"], "exception.html", told, api.default_locale)
            return HTMLResponse(page, int(status))
        code = "NotFound" if status == HTTPStatus.NOT_FOUND else "InvalidParameterValue"
        return JSONResponse({"code": code, "type": code, "description": words}, int(status))

    def _answer(self, request: Request, answer: Callable[..., Any], known: tuple[str, ...]) -> Response:
        api = self._shown.api()
        asked = dict(request.query_params)
        wanted = asked.get("f") or _by_accept(request.headers.get("accept", ""), known)
        if wanted not in known:
            return self._refused(request, f"The format {wanted!r} is not offered here. Ask for {' or '.join(known)}.")
        asked["f"] = wanted
        of, wrong = request.path_params, ""
        offer = self._shown.offers.get(of.get("id", ""))
        if "id" in of and not (offer and _has(offer, answer) and of.get("set", SCHEME) == SCHEME):
            return self._refused(request, "Nothing of that name is offered here.", HTTPStatus.NOT_FOUND)
        if offer and answer is itemtypes.get_collection_items:
            wrong = _in_storage(asked, offer)
        if wrong:
            return self._refused(request, wrong)
        # The body of a request is never read: nothing here takes one.
        told = APIRequest(SimpleNamespace(query_params=asked, headers=request.headers, scope=request.scope), api.locales)
        headers, status, content = answer(api, told, *request.path_params.values())
        if wanted == _JSON and answer in _ABOUT:
            content = _mended(content, self._shown.offers)
        return _response(headers, int(status), content)


def _has(offer: Offer, answer: Callable[..., Any]) -> bool:
    """Whether a collection is of the kind that an answer speaks of."""
    return answer not in (_OF_TILES if offer.kind == FEATURES else _OF_FEATURES)


def _by_accept(accept: str, known: tuple[str, ...]) -> str:
    """What a browser wants is a page; everybody else gets the first format that is known."""
    return _HTML if _HTML in known and "text/html" in accept else known[0]


def _in_storage(asked: dict[str, str], offer: Offer) -> str:
    """Move the box that was asked for to the layer's own CRS; what is wrong with it, "" where nothing is.

    pygeoapi would move two corners alone, and miss what lies beyond the line between them.
    """
    text = asked.get("bbox")
    if text is None:
        return ""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (4, 6) or not all(map(math.isfinite, numbers)):
        return f"bbox={text} is no box. Ask for four numbers: west,south,east,north."
    storage, given = storage_of(offer), asked.get("bbox-crs", CRS84)
    if given not in uris_for(storage):
        return f"bbox-crs={given} is not offered. Ask in one of {', '.join(uris_for(storage))}."
    x, y = (0, 1), (len(numbers) // 2, len(numbers) // 2 + 1)
    box = numbers[x[0]], numbers[x[1]], numbers[y[0]], numbers[y[1]]
    if given != storage:
        box = box_in_storage(box, given, storage, offer.box, offer.reach)
    asked["bbox"], asked["bbox-crs"] = ",".join(map(repr, box)), storage
    return ""


def _response(headers: dict[str, str], status: int, content: Any) -> Response:
    kind = headers.pop("Content-Type", "application/json")
    headers.pop("X-Powered-By", None)
    return Response(content, status, headers, media_type=kind)


def _mended(text: str, offers: Mapping[str, Offer]) -> str:
    """What pygeoapi says of itself and of collections, without links that lead nowhere here, and with tiles told from features.

    A collection that names no kind of items is one of features to every client.
    """
    told = json.loads(text)
    if "links" in told:
        told["links"] = [link for link in told["links"] if not str(link["rel"]).endswith(_NOT_HERE) and not _squares_as_page(link)]
    if "conformsTo" in told:
        told["conformsTo"] = [one for one in told["conformsTo"] if not any(part in one for part in _NOT_DONE)]
    for one in told.get("collections", [told] if "id" in told else ()):
        if one.get("id") in offers and offers[one["id"]].kind != FEATURES:
            one.update(_OF_RASTERS)
    return json.dumps(told, ensure_ascii=False)


def _squares_as_page(link: Mapping[str, Any]) -> bool:
    return str(link["rel"]).endswith("tiling-schemes") and link.get("type") == "text/html"
