"""The web map of a folder to hand over, in a browser: by a double click and from a web server, with and without ranges of bytes."""

from __future__ import annotations

import functools
import http.server
import threading
from dataclasses import replace

import numpy as np
import pyogrio
import pytest
from affine import Affine
from pyproj import CRS

from core.classes import DUBAI
from core.geo import GeoRef
from core.handover.catalogue import Caption
from core.handover.folder import PAGE, hand_over
from core.vector.layer import LEGEND
from core.vector.vectorize import vectorize
from tests.browser.conftest import becomes

SIDE = 64
BLUE, RED = (10, 20, 200), (200, 30, 20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Blocks of water and buildings like a chessboard on 64 x 64 pixels of 1 m, in colours of one's own."""
    place = tmp_path_factory.mktemp("web")
    ids = np.kron(np.indices((4, 4)).sum(axis=0) % 2, np.ones((16, 16), int)).astype(np.uint8)
    ids = np.where(ids == 1, DUBAI.names.index("Water"), DUBAI.names.index("Building")).astype(np.uint8)
    scheme = DUBAI.coloured("natural", {"Water": BLUE, "Building": RED}).renamed({"Water": "Sea & <lake>"})
    geo = GeoRef(Affine(1, 0, 325000, 0, -1, 2784000), CRS.from_epsg(32640))
    np.save(place / "ids.npy", ids)
    layer = vectorize(ids, geo=geo, scheme=scheme).layer
    layer = replace(layer, made={**layer.made, LEGEND: ["Sea & <lake>"]})
    hand_over(place / "out", layer, place / "ids.npy", told=Caption("Chess <board>", "A test.", "© Some & body"))
    return place / "out"


class _Ranges(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; `ranges` is whether it answers a part of a file where one is asked for."""

    ranges = True
    asked: tuple[str, ...] | list[str] = ()

    def do_GET(self):
        wanted = self.headers.get("Range")
        if not (self.ranges and wanted):
            return super().do_GET()
        self.asked.append(wanted)
        begin, end = map(int, wanted.removeprefix("bytes=").split("-"))
        with open(self.translate_path(self.path), "rb") as file:
            file.seek(begin)
            data = file.read(end - begin + 1)
        self.send_response(206)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words):
        pass


@pytest.fixture(params=["double click", "ranges", "no ranges"])
def address(request, folder):
    if request.param == "double click":
        yield (folder / PAGE).as_uri()
        return
    handler = type("Handler", (_Ranges,), {"ranges": request.param == "ranges", "asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/{PAGE}"
    server.shutdown()
    server.server_close()
    assert bool(handler.asked) == (request.param == "ranges")


def colour_at(page, row, col):
    """The colour of the map's tiles at a pixel of the scene, 0 where nothing is drawn: (red, green, blue, alpha)."""
    return page.evaluate(
        """([row, col]) => {
          const map = groundlineMap, [[south, west], [north, east]] = JSON.parse(document.getElementById('layer').textContent).bounds;
          const at = map.latLngToContainerPoint([north + (south - north) * row, west + (east - west) * col]).round();
          const box = map.getContainer().getBoundingClientRect();
          for (const tile of document.querySelectorAll('canvas.leaflet-tile')) {
            const where = tile.getBoundingClientRect(), x = at.x + box.left - where.left, y = at.y + box.top - where.top;
            if (x >= 0 && y >= 0 && x < where.width && y < where.height) {
              return [...tile.getContext('2d').getImageData(x * tile.width / where.width, y * tile.height / where.height, 1, 1).data];
            }
          }
          return [0, 0, 0, 0];
        }""",
        [row, col],
    )


def test_the_page_draws_every_polygon_in_its_colour_and_tells_of_it(address, browser, folder):
    context = browser.new_context(viewport={"width": 1000, "height": 800})
    page, wrong, asked = context.new_page(), [], []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    becomes(lambda: page.locator("#news").is_hidden(), bool)
    # The squares of the board in turn, and nothing beyond it.
    for row in range(4):
        for col in range(4):
            seen = becomes(lambda row=row, col=col: colour_at(page, (row + 0.5) / 4, (col + 0.5) / 4), lambda seen: seen[3] > 0)
            assert np.abs(np.array(seen[:3]) - (BLUE if (row + col) % 2 else RED)).max() <= 3, (row, col, seen)
    assert colour_at(page, 0.5, 1.2)[3] == 0
    rows = page.locator(".panel tbody tr").all_inner_texts()
    assert page.locator(".panel th").all_inner_texts() == ["Class", "Polygons", "Area"]
    counts = pyogrio.read_dataframe(folder / "polygons.gpkg", layer="polygons")["class_name"].value_counts()
    assert [text.split("\t")[0].strip() for text in rows] == ["Sea & <lake>", "Building"]
    assert [int(text.split("\t")[1]) for text in rows] == [counts["Sea & <lake>"], counts["Building"]]
    assert (
        page.locator("h1").inner_text() == "Chess <board>" and "© Some & body" in page.locator(".leaflet-control-attribution").inner_text()
    )
    at = page.evaluate(
        """() => {
          const [[south, west], [north, east]] = JSON.parse(document.getElementById('layer').textContent).bounds;
          const point = groundlineMap.latLngToContainerPoint([north + (south - north) / 8, west + (east - west) * 3 / 8]);
          return [point.x, point.y];
        }"""
    )
    page.mouse.move(*at)
    tip = becomes(lambda: page.locator(".tip").inner_text(), bool)
    assert tip.startswith("Sea & <lake> ") and "256 m²" in tip.replace(",", "") and "16.0 × 16.0 m" in tip
    page.locator(".panel label").first.click()
    becomes(lambda: colour_at(page, 1 / 8, 3 / 8)[3], lambda alpha: alpha == 0)
    becomes(lambda: colour_at(page, 1 / 8, 1 / 8)[3], lambda alpha: alpha > 0)
    context.close()
    assert wrong == [] and all(url.startswith((address.rpartition("/")[0], "data:", "blob:")) for url in asked)
