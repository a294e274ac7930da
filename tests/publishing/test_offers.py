"""What is offered of a workspace, and what its answers take at most."""

from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from starlette.requests import Request

from core.errors import InputError
from core.files import read_json, write_json
from core.publishing import described
from core.publishing.app import Imprint, Publisher, Shelf, itemtypes
from core.publishing.kept import kept_folder
from core.publishing.offers import offered, offers_of, require_workspace, stamp
from core.publishing.tiles import _Kept
from core.scenes.remote.links import link_of
from core.workspace import Workspace
from tests.helpers.predicted import predicted


def points(count: int) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"number": range(count)}, geometry=shapely.points([(325000 + k, 2786000) for k in range(count)]), crs=32640)


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def test_a_workspace_is_known_by_its_folders(workspace, tmp_path):
    with pytest.raises(InputError, match=f"^nothing at {workspace.root}"):
        require_workspace(workspace.root)
    with pytest.raises(InputError, match=f"^{tmp_path} is no workspace"):
        require_workspace(tmp_path)
    assert workspace.layers.is_dir() and require_workspace(workspace.root) == workspace
    assert offered(workspace) == ([], [])


def test_layers_that_the_map_kept_belong_to_what_they_are_of(workspace, tmp_path):
    raster = tmp_path / "land.tif"
    folder = kept_folder(workspace, raster)
    folder.mkdir(parents=True)
    before = stamp(workspace)
    points(2).to_file(folder / "polygons.gpkg")
    points(3).to_file(folder / "polygons.gpkg", layer="polygons_lines", mode="a")
    points(1).to_file(workspace.layers / "other.gpkg")
    assert stamp(workspace) != before
    found = offers_of(workspace, raster)
    assert [one.title for one in found] == ["polygons: polygons", "polygons: lines"]
    assert found[0].about.startswith("2 features, as the map page showed them on ") and found[1].about.startswith("3 features, as ")
    assert {one.id for one in found} < {one.id for one in offered(workspace)[0]} and len(offered(workspace)[0]) == 3
    west, south, east, north = found[1].box
    assert (west, south) == pytest.approx((55.2634, 25.1799), abs=1e-4) and 1.9e-5 < east - west < 2.1e-5 and north - south < 1e-6
    (workspace.layers / ".hidden").mkdir()
    points(1).to_file(workspace.layers / ".hidden" / "half.gpkg")  # what is being written begins with a dot
    assert len(offered(workspace)[0]) == 3


def test_a_folder_to_hand_over_says_whose_it_is(workspace):
    folder = workspace.exports / "20261130-town" / "town"
    folder.mkdir(parents=True)
    points(1).to_file(folder / "polygons.gpkg")
    (folder / "collection.json").write_text(json.dumps({"license": "CC-BY-4.0", "providers": [{"name": "© Survey Office"}]}))
    ((offer,), notes) = offered(workspace)
    assert (offer.attribution, offer.licence, notes) == ("© Survey Office", "CC-BY-4.0", [])
    assert offer.about == "1 feature, in polygons.gpkg of town."
    told = described.configuration([offer], "http://127.0.0.1:1", title="T", attribution="Somebody", licence="MIT")["resources"][offer.id]
    assert told["description"].endswith("Picture by © Survey Office. Licence: CC-BY-4.0.")
    for damaged in ("[]", "{", '{"license": "other", "providers": [1]}'):
        (folder / "collection.json").write_text(damaged)
        assert offered(workspace)[0][0].attribution == offered(workspace)[0][0].licence == ""


def test_a_picture_on_another_machine_is_not_passed_on_and_its_owner_is_named(workspace, tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_WORKSPACE", str(workspace.root))
    place = {"crs": "EPSG:32640", "transform": Affine(0.5, 0, 325000, 0, -0.5, 2786000)}
    with rasterio.open(tmp_path / "town.tif", "w", driver="GTiff", height=40, width=40, count=3, dtype="uint8", **place) as out:
        out.write(np.full((3, 40, 40), 200, np.uint8))
    file = predicted(tmp_path / "town.tif", workspace.predictions / "town", blur_px=1) / "prediction.json"
    record = read_json(file) | {"attribution": "© Town"}
    write_json(file, record)
    found, notes = offered(workspace)
    assert [(one.kind, one.attribution) for one in found] == [("classes", "© Town"), ("picture", "© Town")] and notes == []
    write_json(file, record | {"scene": str(link_of("https://maps.example/town.tif?key=secret"))})
    found, notes = offered(workspace)
    assert [one.title for one in found] == ["town: classes"]
    assert notes == ["The picture of town is left out: it lies on another machine, which is asked for nobody else"]


def test_no_page_is_longer_than_the_longest(workspace, monkeypatch):
    monkeypatch.setattr(described, "MOST_ITEMS", 3)
    monkeypatch.setattr(described, "ITEMS", 2)
    points(5).to_file(workspace.layers / "five.gpkg")
    shelf = Shelf(workspace, Imprint("http://127.0.0.1:1", "T"))
    shelf.api()
    (name,) = shelf.offers

    def asked(question: bytes) -> dict:
        scope = {"type": "http", "path": "/", "headers": [], "query_string": question, "path_params": {"id": name}}
        return json.loads(Publisher(shelf)._answer(Request(scope), itemtypes.get_collection_items, ("json",)).body)

    assert [asked(question)["numberReturned"] for question in (b"", b"limit=1", b"limit=99999999", b"offset=4&limit=3")] == [2, 1, 3, 1]
    assert asked(b"limit=4")["numberMatched"] == 5


def test_tiles_that_were_drawn_last_are_kept_and_take_no_more_than_their_bytes():
    kept, made = _Kept(100), []

    def get(name: str, size: int = 40) -> int:
        return len(kept.get(name, lambda: made.append(name) or b"x" * size))

    assert [get(name) for name in "abab"] == [40] * 4 and made == ["a", "b"]
    get("c")  # with it they would take 120
    get("b")
    assert made == ["a", "b", "c"]
    get("a")
    assert made == ["a", "b", "c", "a"]
    get("large", 500)  # takes the place of all others
    assert kept._bytes == 500
    get("a")
    assert kept._bytes == 40
