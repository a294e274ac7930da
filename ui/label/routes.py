"""What the Label page's canvas asks of the dashboard: steps to keep, how far the answer is, its tiles, superpixels, the next place.

A session is named by a secret of this process, which only a page that has opened the project has been told.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from core.classes import IGNORED_ID
from core.errors import GroundlineError, InputError
from core.scenes.display import encode
from core.scenes.scene import Window
from ui import served
from ui.allowed import refuse_if_read_only
from ui.label import open as opened
from ui.viewer import tiles

if TYPE_CHECKING:
    from core.labelling.projects.painting import Painting
    from core.labelling.projects.session import Session

PREFIX = f"{served.PREFIX}/label"
MOST_BYTES = 8 << 20
_FRESH = {"Cache-Control": "no-store"}
_workers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="label")

Answer = Callable[["Session", Request], Any]


def routes() -> list[BaseRoute]:
    """Routes for `st.App`, at the root and under `server.baseUrlPath`."""
    found: list[BaseRoute] = []
    for base in dict.fromkeys(("", served.base_path())):
        here = f"{base}{PREFIX}/{{token}}"
        found += [
            Route(f"{here}/state", _answering(lambda session, _: state_of(session))),
            Route(f"{here}/do", _do, methods=["POST"]),
            Route(f"{here}/status", _answering(_status)),
            Route(f"{here}/next", _answering(lambda session, _: session.next_place()), methods=["POST"]),
            Route(f"{here}/superpixel/{{row:count}}/{{col:count}}", _answering(_superpixel)),
            Route(f"{here}/outlines", _answering(_outlines)),
            Route(f"{here}/answer/{{z:count}}/{{x:count}}/{{y:count}}", _answering(_tile)),
        ]
    return found


def url_of(token: str) -> str:
    """Where a session is reached, for the page itself."""
    return f"{served.base_path()}{PREFIX}/{token}"


def _answering(make: Answer) -> Callable:
    async def answer(request: Request) -> Response:
        session = opened.find(request.path_params["token"])
        if session is None:
            return Response(status_code=404)
        try:
            made = await asyncio.get_running_loop().run_in_executor(_workers, make, session, request)
        except GroundlineError as error:
            return Response(str(error), status_code=422, media_type="text/plain")
        except (KeyError, ValueError) as error:
            return Response(f"a request that cannot be read ({error})", status_code=400, media_type="text/plain")
        if isinstance(made, Response):
            return made
        return JSONResponse(made, headers=_FRESH)

    return answer


async def _do(request: Request) -> Response:
    session = opened.find(request.path_params["token"])
    if session is None:
        return Response(status_code=404)
    try:
        refuse_if_read_only()
        step = json.loads(await _body(request))
        if not isinstance(step, dict):
            raise InputError("a step that is no object", expected="what the page writes", do="Reload the page")
        labels = await asyncio.get_running_loop().run_in_executor(_workers, session.do, step)
    except GroundlineError as error:
        return Response(str(error), status_code=422, media_type="text/plain")
    except (ValueError, RecursionError) as error:
        return Response(f"a step that cannot be read ({error})", status_code=400, media_type="text/plain")
    # What was painted is on the page already; of other steps it is told everything.
    return JSONResponse(_short(session) if step["do"] in ("paint", "agree", "area") else state_of(session, labels), headers=_FRESH)


async def _body(request: Request) -> bytes:
    read = bytearray()
    async for part in request.stream():
        read += part
        if len(read) > MOST_BYTES:
            raise InputError(f"a step of more than {MOST_BYTES >> 20} MiB", expected="strokes of a hand", do="Paint in smaller steps")
    return bytes(read)


def state_of(session: Session, labels: Painting | None = None) -> dict[str, Any]:
    """All that the canvas draws: classes, shapes in pixels, agreed windows, the area of work."""
    labels = labels or session.project.labels
    return _short(session) | {
        "classes": [vars(one) for one in labels.classes],
        "most": max((*(one.id for one in labels.classes), *labels.into, *labels.into.values()), default=-1),
        "shapes": [
            {"class": class_id, "geometry": one.geometry, "width_px": one.width_px}
            for one, class_id in zip(labels.painted, labels.painted_as(), strict=True)
        ],
        "agreed": [[one.row, one.col, one.height, one.width] for one in labels.agreed],
        "area": labels.area,
    }


def _short(session: Session) -> dict[str, Any]:
    project = session.project
    return {"revision": project.revision, "canUndo": project.can_undo, "canRedo": project.can_redo}


def _status(session: Session, request: Request) -> dict[str, Any]:
    row, col, height, width, every = (int(part) for part in request.query_params["view"].split(","))
    if height > 0 and width > 0:
        session.look(Window(row, col, height, width), every=max(1, every))
    return session.status().told()


def _superpixel(session: Session, request: Request) -> dict[str, Any]:
    size = float(request.query_params.get("size", 20))
    if not math.isfinite(size):
        raise ValueError("size")
    # The brush's slider counts widths of a line; a superpixel of that side would be lost under the pointer.
    rings = session.superpixels.around(request.path_params["row"], request.path_params["col"], round(8 + 2 * size))
    return {"rings": rings}


def _outlines(session: Session, request: Request) -> list[dict[str, Any]]:
    row, col, height, width = (int(part) for part in request.query_params["window"].split(","))
    found = session.outlines(Window(row, col, height, width))
    return [{"class": class_id, "geometry": geometry, "width_px": 1} for class_id, geometry in found]


def _tile(session: Session, request: Request) -> Response:
    z, x, y = (request.path_params[name] for name in ("z", "x", "y"))
    if z > tiles.max_zoom(*session.shape):
        return Response(status_code=404)
    shown = tiles.tile_window(*session.shape, z, x, y)
    codes = None if shown is None else session.codes(*shown)
    if codes is None:
        return Response(status_code=204, headers=_FRESH)
    canvas = np.full((tiles.TILE_PX, tiles.TILE_PX, 3), IGNORED_ID, np.uint8)
    canvas[: codes.shape[0], : codes.shape[1], :2] = codes
    made, kind = encode(canvas)
    return Response(made, media_type=kind, headers=_FRESH)
