"""One server of a workspace, as the command starts it, and the programs that open what it serves."""

from __future__ import annotations

import io
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from PIL import Image
from pyproj import Transformer

from core.__main__ import main
from core.classes import DUBAI
from core.publishing.running import RECORD, served_at
from core.workspace import Workspace
from tests.handover.test_qgis import qgis_python
from tests.helpers.predicted import COLOURS, predicted

ROOT = Path(__file__).resolve().parents[2]
CLIENT = Path(__file__).with_name("opened_by_qgis.py")
WEST, NORTH, PIXEL_M = 325000.0, 2786000.0, 0.5
HEIGHT, WIDTH = 100, 120
LAKE = (slice(30, 70), slice(40, 90))
NAMES = ["Sand", "O\"Neil's", "See ü", None]
FEW = 4
PATIENCE_S = 120  # a busy machine is slow, not broken


def squares() -> gpd.GeoDataFrame:
    """Four squares of 10 m, 20 m from corner to corner, beside each other from west to east, the last one with a hole."""
    shapes = [shapely.box(WEST + 20 * k, NORTH - 30, WEST + 20 * k + 10, NORTH - 20) for k in range(FEW)]
    shapes[-1] = shapes[-1].difference(shapes[-1].buffer(-3, join_style="mitre"))
    fields = {"id": [1, 2, 3, 7], "class_name": NAMES, "area_m2": [100.0, 100.0, 100.0, 84.125], "on_edge": [True, False, False, True]}
    return gpd.GeoDataFrame(fields, geometry=shapes, crs="EPSG:32640")


@dataclass
class Serving:
    """A server at work: its workspace, its process, and what it said when it began."""

    workspace: Workspace
    process: subprocess.Popen
    told: dict[str, Any]
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return int(self.told["address"].rpartition(":")[2])

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        """Status and body of an answer."""
        request = urllib.request.Request(self.told["address"] + path, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    def found(self, title: str, **asked: Any) -> dict[str, Any]:
        """The features that a question gives."""
        status, body = self.ask(f"/collections/{self.ids[title]}/items?{urlencode({'f': 'json', **asked})}")
        assert status == 200, body
        return json.loads(body)


@pytest.fixture(scope="module")
def serving(tmp_path_factory) -> Iterator[Serving]:
    """`python -m core serve` on a workspace with a prediction, a layer of a strange name, one without CRS, and a damaged one."""
    folder = tmp_path_factory.mktemp("serve")
    workspace = Workspace(folder / "workspace")
    picture = np.full((HEIGHT, WIDTH, 3), COLOURS[1].astype(np.uint8))
    picture[LAKE] = COLOURS[4].astype(np.uint8)
    place = {"crs": "EPSG:32640", "transform": Affine(PIXEL_M, 0, WEST, 0, -PIXEL_M, NORTH)}
    with rasterio.open(folder / "lake.tif", "w", driver="GTiff", height=HEIGHT, width=WIDTH, count=3, dtype="uint8", **place) as out:
        out.write(picture.transpose(2, 0, 1))
    predicted(folder / "lake.tif", workspace.predictions / "lake", blur_px=1)
    strange = workspace.layers / "O'Neil & ü <b>"
    strange.mkdir()
    squares().to_file(strange / "four's ü.gpkg", layer="four's ü")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        squares().set_crs(None, allow_override=True).to_file(strange / "nowhere.gpkg")
    (workspace.layers / "damaged.gpkg").write_bytes(b"SQLite format 3\0 no more")
    command = [sys.executable, "-m", "core", "serve", str(workspace.root), "--port", "0", "--licence", "CC-BY-4.0", "--json"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None and process.stderr is not None
    line = process.stdout.readline()
    assert line, process.stderr.read()
    told = json.loads(line)
    yield Serving(workspace, process, told, {one["title"]: one["id"] for one in told["collections"]})
    process.kill()
    process.wait()


FOUR = "four's ü: polygons"


def test_it_says_what_it_serves_and_what_not(serving):
    told = serving.told
    assert told["address"] == f"http://127.0.0.1:{serving.port}" and not told["shared"] and told["password"] is None
    kinds = {one["title"]: one["kind"] for one in told["collections"]}
    assert kinds == {"lake: classes": "classes", "lake: picture": "picture", FOUR: "features"}
    assert all(one["address"] == f"{told['address']}/collections/{one['id']}" for one in told["collections"])
    assert all(one["id"].replace("-", "").isalnum() and one["id"].isascii() for one in told["collections"])
    damaged, nowhere = sorted(told["notes"])
    assert damaged.startswith("damaged.gpkg is left out: ") and nowhere.startswith("nowhere.gpkg (nowhere) is left out: it has no CRS")
    assert served_at(serving.workspace) == told["address"]


def test_gdal_reads_the_layer_as_it_is_in_the_file(serving):
    source = f"OAPIF:{serving.told['address']}"
    assert [name for name, _ in pyogrio.list_layers(source)] == [serving.ids[FOUR]]  # rasters are no layers of features
    # Two features a page, so that GDAL has to turn pages.
    found, before = pyogrio.read_dataframe(source, layer=serving.ids[FOUR], PAGE_SIZE="2"), squares()
    assert found.crs == before.crs and list(found.columns) == list(before.columns)
    assert shapely.equals_exact(found.geometry.to_numpy(), before.geometry.to_numpy(), 1e-6).all()
    for name in before.columns.drop("geometry"):
        assert found[name].astype(object).fillna("-").tolist() == before[name].astype(object).fillna("-").tolist(), name


def test_features_are_asked_by_box_by_field_and_by_page(serving):
    every = serving.found(FOUR)
    assert every["numberMatched"] == every["numberReturned"] == FEW and [one["id"] for one in every["features"]] == [1, 2, 3, 4]
    lon, lat = Transformer.from_crs(32640, 4326, always_xy=True).transform(WEST, NORTH - 30)
    corners = np.array(every["features"][0]["geometry"]["coordinates"][0])
    assert np.abs(corners - [lon, lat]).max(axis=1).min() < 1e-9  # longitude first, where nothing else is asked for
    page = serving.found(FOUR, limit=3)
    assert [one["id"] for one in page["features"]] == [1, 2, 3] and page["numberMatched"] == FEW
    (onward,) = [link["href"] for link in page["links"] if link["rel"] == "next"]
    status, body = serving.ask(onward.removeprefix(serving.told["address"]))
    assert status == 200 and [one["id"] for one in json.loads(body)["features"]] == [4]
    assert serving.found(FOUR, limit=10**6)["numberReturned"] == FEW  # no more than a page holds

    storage, degrees = (f"http://www.opengis.net/def/crs/EPSG/0/{code}" for code in (32640, 4326))
    second = {"bbox": f"{WEST + 22},{NORTH - 28},{WEST + 24},{NORTH - 26}", "bbox-crs": storage}
    assert [one["id"] for one in serving.found(FOUR, **second)["features"]] == [2]
    to_degrees = Transformer.from_crs(32640, 4326, always_xy=True)
    (west, south), (east, north) = (to_degrees.transform(WEST + x, NORTH - y) for x, y in ((22, 28), (44, 26)))
    assert [one["id"] for one in serving.found(FOUR, bbox=f"{west},{south},{east},{north}")["features"]] == [2, 3]
    turned = {"bbox": f"{south},{west},{north},{east}", "bbox-crs": degrees}  # EPSG:4326 names the latitude first
    assert [one["id"] for one in serving.found(FOUR, **turned)["features"]] == [2, 3]
    (first,) = serving.found(FOUR, limit=1, crs=degrees)["features"]
    assert np.abs(np.array(first["geometry"]["coordinates"][0]) - [lat, lon]).max(axis=1).min() < 1e-9
    assert serving.found(FOUR, bbox="-180,-90,180,90")["numberMatched"] == FEW
    assert serving.found(FOUR, bbox="100,0,110,10")["numberMatched"] == 0
    assert serving.found(FOUR, bbox="170,-90,-170,90")["numberMatched"] == 0  # over the antimeridian, far from here

    for asked, ids in (
        ({"class_name": NAMES[1]}, [2]),
        ({"class_name": "x' OR '1'='1"}, []),
        ({"area_m2": "84.125"}, [4]),
        ({"on_edge": "true"}, [1, 4]),
        ({"on_edge": "true", "id": "7"}, [4]),
    ):
        assert [one["id"] for one in serving.found(FOUR, **asked)["features"]] == ids, asked
    assert serving.found(FOUR, resulttype="hits")["features"] == []
    bare = serving.found(FOUR, properties="id", skipGeometry="true", limit=1)["features"][0]
    assert bare["properties"] == {"id": 1} and bare["geometry"] is None
    assert json.loads(serving.ask(f"/collections/{serving.ids[FOUR]}/items/4")[1])["properties"]["id"] == 7


def tile(serving: Serving, title: str, row: float, column: float, z: int = 19) -> tuple[int, ...]:
    """The pixel (red, green, blue, alpha) that a tile shows at a pixel of the scene."""
    lon, lat = Transformer.from_crs(32640, 4326, always_xy=True).transform(WEST + PIXEL_M * column, NORTH - PIXEL_M * row)
    x = (lon + 180) / 360 * 2**z
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * 2**z
    status, body = serving.ask(f"/collections/{serving.ids[title]}/tiles/WebMercatorQuad/{z}/{int(y)}/{int(x)}")
    assert status == 200
    drawn = Image.open(io.BytesIO(body))
    assert drawn.format == "PNG" and drawn.size == (256, 256)
    return drawn.convert("RGBA").getpixel((int(x % 1 * 256), int(y % 1 * 256)))


def test_tiles_show_the_classes_in_their_colours_and_the_picture(serving):
    sand, sea = (tuple(int(value) for value in COLOURS[k]) for k in (1, 4))
    for (row, column), class_id, colour in (
        ((50, 65), 4, sea),
        ((32, 42), 4, sea),
        ((68, 88), 4, sea),
        ((10, 10), 1, sand),
        ((90, 110), 1, sand),
    ):
        assert tile(serving, "lake: classes", row, column) == (*DUBAI.colours[class_id], 255), (row, column)
        assert tile(serving, "lake: picture", row, column) == (*colour, 255), (row, column)
    assert tile(serving, "lake: classes", -20, 10)[3] == tile(serving, "lake: picture", 50, WIDTH + 20)[3] == 0
    where = f"/collections/{serving.ids['lake: classes']}/tiles"
    told = json.loads(serving.ask(f"{where}/WebMercatorQuad/metadata?f=tilejson")[1])
    assert told["tiles"] == [f"{serving.told['address']}{where}/WebMercatorQuad/{{z}}/{{y}}/{{x}}?f=png"]
    west, south, east, north = told["bounds"]
    lon, lat = Transformer.from_crs(32640, 4326, always_xy=True).transform(WEST + 30, NORTH - 25)
    assert west < lon < east and south < lat < north and east - west < 0.001


def test_gdal_reads_the_tiles(serving, tmp_path):
    address = f"{serving.told['address']}/collections/{serving.ids['lake: classes']}/tiles/WebMercatorQuad/${{z}}/${{y}}/${{x}}?f=png"
    side = math.pi * 6378137
    (tmp_path / "tiles.xml").write_text(
        f"""<GDAL_WMS><Service name="TMS"><ServerUrl>{address}</ServerUrl></Service><DataWindow><UpperLeftX>{-side}</UpperLeftX>
        <UpperLeftY>{side}</UpperLeftY><LowerRightX>{side}</LowerRightX><LowerRightY>{-side}</LowerRightY><TileLevel>19</TileLevel>
        <TileCountX>1</TileCountX><TileCountY>1</TileCountY><YOrigin>top</YOrigin></DataWindow><Projection>EPSG:3857</Projection>
        <BlockSizeX>256</BlockSizeX><BlockSizeY>256</BlockSizeY><BandsCount>4</BandsCount></GDAL_WMS>"""
    )
    to_mercator = Transformer.from_crs(32640, 3857, always_xy=True)
    points = [to_mercator.transform(WEST + PIXEL_M * column, NORTH - PIXEL_M * row) for row, column in ((50, 65), (10, 10))]
    with rasterio.open(tmp_path / "tiles.xml") as tiles:
        lake, beach = (tuple(int(value) for value in found) for found in tiles.sample(points))
    assert lake == (*DUBAI.colours[4], 255) and beach == (*DUBAI.colours[1], 255)


def test_names_that_are_none_lead_nowhere_and_break_nothing(serving):
    four, classes = (f"/collections/{serving.ids[title]}" for title in (FOUR, "lake: classes"))
    grid = f"{classes}/tiles/WebMercatorQuad"
    missing = [
        *(
            f"/collections/{quote(name, safe='')}{rest}"
            for name in ("x", "..", "../..", "'", "ü", "%00")
            for rest in ("", "/items", "/tiles")
        ),
        *("/../../etc/passwd", "/..%2f..%2fetc%2fpasswd", "/static/img/logo.png", "/processes", "/stac", "/admin"),
        *(f"{four}/items/{quote(name, safe='')}" for name in ("0", "99", "-1", "1.5", "'", "9" * 30, "٣", "..")),
        *(
            f"{classes}{rest}"
            for rest in ("/items", "/items/1", "/schema", "/queryables", "/tiles/WorldCRS84Quad/0/0/0", "/tiles/x/metadata")
        ),
        *(f"{grid}/{rest}" for rest in ("25/0/0", "2/4/0", "2/0/4", "9999999999/0/0", "-1/0/0", "1e1/0/0", "%D9%A2/0/0")),
        f"{grid}/{'9' * 5000}/0/0",
        f"{four}/tiles",
    ]
    assert {path: status for path in missing if (status := serving.ask(path)[0]) != 404} == {}
    # A browser gets a sentence on a page that leads back, other programs the same as JSON.
    for path, title in (("/admin", "Not found"), ("/collections/x", "Not found"), (f"{four}/items?bbox=1,2", "Not understood")):
        page = serving.ask(path, accept="text/html,*/*")[1].decode()
        assert f"<h1>{title}</h1>" in page and '/collections">All that is offered here</a>' in page
        assert json.loads(serving.ask(path)[1])["description"] in page
    wrong = [
        "bbox=1,2",
        "bbox=a,b,c,d",
        "bbox=nan,0,1,1",
        "bbox=0,0,1,1&bbox-crs=x",
        "crs=x",
        "limit=0",
        "limit=-1",
        "limit=x",
        "offset=-1",
    ]
    wrong += ["id=x", "id=nan", "id=1%20OR%201", "sortby=id", "q=a", "filter=id=1", "properties=x", "f=csv"]
    assert {asked: status for asked in wrong if (status := serving.ask(f"{four}/items?{asked}")[0]) != 400} == {}
    assert serving.ask(f"{four}/items?offset={10**40}")[0] == 200
    assert serving.ask(f"{four}/items?class_name={'x' * 9000}")[0] == 414


def test_it_only_reads_and_answers_to_its_own_name(serving):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert serving.ask(f"/collections/{serving.ids[FOUR]}/items", method)[0] == 405
    for host in ("evil.example", f"localhost.evil.example:{serving.port}", ""):
        status, words = serving.ask("/", Host=host)
        assert status == 421 and b"GROUNDLINE_HOSTS" in words
    assert serving.ask("/", Host=f"localhost:{serving.port}")[0] == 200


def test_people_get_pages_that_load_nothing_from_elsewhere(serving):
    four, classes = (f"/collections/{serving.ids[title]}" for title in (FOUR, "lake: classes"))
    for path in (
        "/",
        "/collections",
        four,
        f"{four}/items",
        f"{four}/items/2",
        f"{four}/queryables",
        classes,
        f"{classes}/tiles",
        "/conformance",
    ):
        status, body = serving.ask(path, Accept="text/html,*/*")
        page = body.decode()
        assert status == 200 and page.lstrip().startswith("<!doctype html>") and "<script" not in page, path
        assert '<link rel="icon" href="data:,">' in page and page.count("<link") == 1, path
    page = serving.ask("/?f=html")[1].decode()
    assert "four&#39;s ü: polygons" in page and "Licence: CC-BY-4.0." in page and f"OAPIF:{serving.told['address']}" in page
    assert "XYZ" in page
    about, items = (serving.ask(f"{path}?f=html")[1].decode() for path in (four, f"{four}/items"))
    assert "Stored in EPSG:32640;" in about and "No licence" not in about
    (box,) = re.findall(r"<code>([-0-9., ]+)</code>", about)
    assert [len(part.partition(".")[2]) for part in box.split(", ")] == [6, 6, 6, 6]
    assert "Features 1 to 4 of 4." in items and "<h1>four&#39;s ü: polygons</h1>" in items and '<td class="number">' in items
    assert "O&#34;Neil&#39;s" in serving.ask(f"{four}/items/2?f=html")[1].decode()
    landing = json.loads(serving.ask("/")[1])
    for link in landing["links"]:  # each leads somewhere
        assert serving.ask(link["href"].removeprefix(serving.told["address"]) or "/")[0] == 200, link
    (licence,) = [link for link in json.loads(serving.ask(four)[1])["links"] if link["rel"] == "license"]
    assert licence["href"] == "https://spdx.org/licenses/CC-BY-4.0.html"
    assert f"{four}/items" in json.loads(serving.ask("/openapi")[1])["paths"]


def test_new_layers_appear_and_deleted_ones_go_without_a_restart(serving):
    def titles() -> set[str]:
        return {one["title"] for one in json.loads(serving.ask("/collections?f=json")[1])["collections"]}

    def in_time(wanted: bool) -> bool:
        until = time.monotonic() + PATIENCE_S
        while ("later: polygons" in titles()) != wanted and time.monotonic() < until:
            time.sleep(0.1)
        return time.monotonic() < until

    before = titles()
    squares().to_file(serving.workspace.layers / "later.gpkg")
    assert in_time(True)
    (serving.workspace.layers / "later.gpkg").unlink()
    assert in_time(False) and titles() == before


@pytest.mark.slow
@pytest.mark.needs_qgis
def test_qgis_opens_layer_and_tiles(serving, tmp_path):
    command = [
        qgis_python(),
        str(CLIENT),
        serving.told["address"],
        serving.ids[FOUR],
        serving.ids["lake: classes"],
        str(tmp_path / "map.png"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told["valid"] == [True, True] and told["features"] == FEW and told["names"] == NAMES and told["errors"] == []
    drawn = np.asarray(Image.open(tmp_path / "map.png").convert("RGB"))
    assert tuple(drawn[200, 200]) == DUBAI.colours[4] and tuple(drawn[200, 40]) == DUBAI.colours[1]


# ---- what is wrong with what was typed, and the end ----


def said(capsys, *words: object) -> tuple[int, str]:
    code = main(["serve", *map(str, words)])
    out, err = capsys.readouterr()
    assert out == ""
    return code, err


def test_a_port_in_use_and_a_workspace_that_is_none_are_one_line_each(serving, tmp_path, capsys):
    code, line = said(capsys, serving.workspace.root, "--port", serving.port)
    assert code == 2 and line == f"port {serving.port} is in use. Expected a free port. Choose another one by --port, or 0 for any.\n"
    (tmp_path / "thesis.txt").write_text("years of work")
    for folder, words in ((tmp_path, f"{tmp_path} is no workspace. "), (tmp_path / "gone", f"nothing at {tmp_path / 'gone'}. ")):
        code, line = said(capsys, folder)
        assert code == 2 and line.startswith(words) and line.count("\n") == 1
    code, line = said(capsys, serving.workspace.root, "--host", "no such machine")
    assert code == 2 and line.startswith("no machine 'no such machine'. ") and line.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thesis.txt"]
    assert served_at(serving.workspace) == serving.told["address"]  # those that did not start took nobody's place


def test_ctrl_c_ends_it_as_other_long_work_ends(serving):
    serving.process.send_signal(signal.SIGINT)
    out, err = serving.process.communicate(timeout=PATIENCE_S)
    assert serving.process.returncode == 130 and out == "" and err == "Stopped. Nothing is served any more.\n"
    assert not (serving.workspace.root / RECORD).exists() and served_at(serving.workspace) is None
    shutil.copy(ROOT / "LICENSE", serving.workspace.root / RECORD)
    assert served_at(serving.workspace) is None  # damaged
    of_the_dead = {"pid": serving.process.pid, "began": 1.0, "address": serving.told["address"]}
    (serving.workspace.root / RECORD).write_text(json.dumps(of_the_dead))
    assert served_at(serving.workspace) is None
