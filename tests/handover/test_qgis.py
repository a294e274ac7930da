"""Projects for QGIS: what their XML says, and what QGIS itself makes of them where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from pyproj import CRS
from rasterio.errors import NotGeoreferencedWarning

from core.classes import DUBAI
from core.geo import GeoRef
from core.handover.qgis.layout import boxed, fitted, rounded_down
from core.handover.qgis.project import ProjectGround, ProjectVectors, classes_layer, confidence_layer, scene_layer, write_project
from core.vector.formats.content import content_of
from core.vector.formats.export import export
from core.vector.formats.styles import in_legend
from core.vector.layer import LEGEND
from core.vector.vectorize import vectorize

CLIENT = Path(__file__).with_name("qgis_client.py")
HEIGHT, WIDTH = 40, 60
UTM = GeoRef(Affine(0.5, 0, 325000, 0, -0.5, 2784000), CRS.from_epsg(32640))
PLACES = {
    "utm": UTM,
    "degrees": GeoRef(Affine(5e-6, 0, 55.26, 0, -4.5e-6, 25.16), CRS.from_epsg(4326)),
    "pixels": GeoRef.pixels(),
}
BLUE, RED, GREEN = (10, 20, 200), (200, 30, 20), (20, 160, 40)


def write_raster(path, pixels, geo):
    """Pixels (bands, h, w) as GeoTIFF; one without CRS has no transform either."""
    place = {} if geo.crs is None else {"crs": geo.crs.to_wkt(), "transform": geo.transform}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        count, height, width = pixels.shape
        with rasterio.open(path, "w", driver="GTiff", count=count, height=height, width=width, dtype=pixels.dtype, **place) as out:
            out.write(pixels)


def project_of(folder, place="utm", bands=3):
    """A project on a scene whose left half is Water and whose right half is Building above Road, in colours of one's own."""
    geo = PLACES[place]
    (folder / "in").mkdir(parents=True)
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[:, : WIDTH // 2] = DUBAI.names.index("Water")
    ids[: HEIGHT // 2, WIDTH // 2 :], ids[HEIGHT // 2 :, WIDTH // 2 :] = DUBAI.names.index("Building"), DUBAI.names.index("Road")
    scheme = DUBAI.coloured("natural", {"Water": BLUE, "Building": RED, "Road": GREEN}).renamed({"Water": "Sea & <lake>"})
    made = vectorize(ids, geo=geo, scheme=scheme, min_area=1).layer
    layer = replace(made, made={**made.made, LEGEND: ["Road", "Sea & <lake>"]})
    write_raster(folder / "in" / "labels.tif", ids[None], geo)
    write_raster(folder / "in" / "confidence.tif", np.full((1, HEIGHT, WIDTH), 128, np.uint8), geo)
    pixels = np.random.default_rng(0).integers(0, 255 if bands == 3 else 3000, (bands, HEIGHT, WIDTH))
    write_raster(folder / "in" / "scene.tif", pixels.astype(np.uint8 if bands == 3 else np.uint16), geo)
    export(layer, folder / "polygons.gpkg")
    content = content_of(layer, ".gpkg", crs=geo.crs, lonlat=False)
    order = in_legend(scheme.names, layer.made)
    return write_project(
        folder / "town.qgz",
        ProjectGround(geo, HEIGHT, WIDTH),
        title="Town & harbour",
        about=content.about(),
        vectors=[ProjectVectors(folder / "polygons.gpkg", "polygons", "Land cover", content)],
        rasters=[
            classes_layer(folder / "in" / "labels.tif", "Labels", "Class of each <pixel>", scheme, order),
            confidence_layer(folder / "in" / "confidence.tif", "Confidence", "How sure"),
        ],
        scene=scene_layer(folder / "in" / "scene.tif", "Scene", "What was predicted"),
        attribution="© Somebody",
    )


def xml_of(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [f"{path.stem}.qgs"]
        return ET.fromstring(archive.read(archive.namelist()[0]))


@pytest.mark.parametrize("place", PLACES)
def test_layers_lie_by_relative_paths_and_every_mention_is_of_one_that_is_there(place, tmp_path):
    root = xml_of(project_of(tmp_path / "made", place))
    layers = {layer.findtext("id"): layer for layer in root.find("projectlayers")}
    sources = [layer.findtext("datasource") for layer in layers.values()]
    assert sources == ["./polygons.gpkg|layername=polygons", "./in/labels.tif", "./in/confidence.tif", "./in/scene.tif"]
    assert all((tmp_path / "made" / source.split("|")[0]).is_file() for source in sources)
    leaves = [leaf.get("id") for leaf in root.find("layer-tree-group").iter("layer-tree-layer")]
    assert leaves == [layer.get("id") for layer in root.find("layerorder")] == list(layers)
    legend = [leaf.get("id") for leaf in root.find("Layouts").iter("layer-tree-layer")]
    assert legend == leaves[:1]
    groups = {group.get("name"): len(group) for group in root.find("layer-tree-group").findall("layer-tree-group")}
    assert groups == {"Polygons": 1, "Rasters": 2}
    codes = {layer.findtext("srs/spatialrefsys/authid") for layer in layers.values()}
    assert codes == {{"utm": "EPSG:32640", "degrees": "EPSG:4326", "pixels": ""}[place]}
    notes = [option.get("value") for option in root.iter("Option") if option.get("name") == "userNotes"]
    assert notes[1] == "<p>Class of each &lt;pixel&gt;</p>" and len(notes) == 4


def test_the_project_goes_where_its_folder_goes_and_is_the_same_when_made_again(tmp_path):
    first, second = project_of(tmp_path / "a"), project_of(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()


def test_legend_and_colours_are_those_of_the_page(tmp_path):
    root = xml_of(project_of(tmp_path / "made"))
    polygons, labels = list(root.find("projectlayers"))[:2]
    categories = polygons.find("renderer-v2/categories")
    # The legend names Road and the renamed Water; Building, which it does not name, comes after them.
    assert [entry.get("label") for entry in categories] == ["Road", "Sea & <lake>", "Building"]
    symbols = {symbol.get("name"): symbol for symbol in polygons.find("renderer-v2/symbols")}
    drawn = [symbols[entry.get("symbol")].find("layer/Option/Option[@name='color']").get("value") for entry in categories]
    assert drawn == ["20,160,40,255", "10,20,200,255", "200,30,20,255"]
    entries = [(entry.get("value"), entry.get("label"), entry.get("color")) for entry in labels.iter("paletteEntry")]
    water, road = (str(DUBAI.names.index(name)) for name in ("Water", "Road"))
    assert entries[:2] == [(road, "Road", "#14a028"), (water, "Sea & <lake>", "#0a14c8")] and len(entries) == len(DUBAI)


def test_a_scene_of_many_bands_is_stretched_as_on_the_page(tmp_path):
    root = xml_of(project_of(tmp_path / "made", bands=12))
    renderer = root.findall("projectlayers/maplayer")[-1].find("pipe/rasterrenderer")
    assert [renderer.get(f"{colour}Band") for colour in ("red", "green", "blue")] == ["4", "3", "2"]
    with rasterio.open(tmp_path / "made" / "in" / "scene.tif") as opened:
        low, high = np.percentile(opened.read(4), (2, 98))
    told = [float(renderer.findtext(f"redContrastEnhancement/{side}")) for side in ("minValue", "maxValue")]
    np.testing.assert_allclose(told, [low, high])
    plain = xml_of(project_of(tmp_path / "bytes")).findall("projectlayers/maplayer")[-1].find("pipe/rasterrenderer")
    assert plain.find("redContrastEnhancement") is None


def test_a_page_is_laid_out_by_the_shape_of_the_scene():
    # A square in a room of 200 x 100 mm gets 100 x 100; a strip of 1:100 gets a quarter, and shows more around it.
    assert boxed((10, 20, 200, 100), (0, 0, 30, 30)) == (10, 20, 100, 100)
    assert boxed((10, 20, 200, 100), (0, 0, 100, 1)) == (10, 20, 200, 50)
    assert fitted((0, 0, 100, 1), 4) == (0, -12, 100, 13)
    assert fitted((0, 0, 30, 30), 1) == (0, 0, 30, 30)
    assert [rounded_down(most) for most in (0.03, 1, 9.9, 24, 26, 4999)] == [0.025, 1, 5, 20, 25, 2500]


def qgis_python():
    """The Python that has QGIS; the test is skipped where there is none."""
    for name in ("/usr/bin/python3", shutil.which("python3") or ""):
        if name and subprocess.run([name, "-c", "import qgis.core"], capture_output=True).returncode == 0:
            return name
    pytest.skip("QGIS is not installed (Debian: apt-get install qgis python3-qgis)")


@pytest.mark.slow
@pytest.mark.needs_qgis
@pytest.mark.parametrize(("place", "bands"), [("utm", 3), ("degrees", 3), ("pixels", 12)])
def test_qgis_opens_every_layer_and_prints_the_page(place, bands, tmp_path):
    python = qgis_python()
    project = project_of(tmp_path / "made", place, bands)
    moved = (tmp_path / "made").rename(tmp_path / "elsewhere")
    done = subprocess.run([python, str(CLIENT), str(moved / project.name), str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.strip().splitlines()[-1])
    code = {"utm": "EPSG:32640", "degrees": "EPSG:4326", "pixels": ""}[place]
    assert told["read"] and told["title"] == "Town & harbour" and told["crs"] == code and told["errors"] == []
    layers = told["layers"]
    assert list(layers) == ["Land cover", "Labels", "Confidence", "Scene"]
    assert all(layer["valid"] and layer["crs"] == code for layer in layers.values())
    assert [layer["shown"] for layer in layers.values()] == [True, False, False, True]
    assert layers["Land cover"]["legend"] == ["Road", "Sea & <lake>", "Building"] and layers["Land cover"]["features"] == 3
    assert layers["Labels"]["note"] == "<p>Class of each &lt;pixel&gt;</p>"
    assert told["printed"] == [0]  # QgsLayoutExporter.Success
    width = {"utm": WIDTH * 0.5, "degrees": WIDTH * 0.504, "pixels": WIDTH}[place]
    assert 0 < told["bar"][0] < width / 2 and told["bar"][1] == ("<unknown>" if place == "pixels" else "meters")
    # The square that QGIS draws shows the scene, 3 to 2, in its middle: blue on the left, red above green on the right.
    drawn = np.asarray(Image.open(tmp_path / "map.png").convert("RGB")).astype(int)
    assert drawn.shape == (600, 600, 3)
    parts = {"left": drawn[150:450, 50:250], "upper": drawn[130:270, 350:550], "lower": drawn[330:470, 350:550]}
    strongest = {name: int(part.mean(axis=(0, 1)).argmax()) for name, part in parts.items()}
    assert strongest == {"left": 2, "upper": 0, "lower": 1}
    page = np.asarray(Image.open(tmp_path / "layout.png").convert("RGB")).astype(int)
    # An A4 page at 100 dots an inch, with a map that is mostly no paper, and text above it, below it and beside it.
    assert abs(page.shape[1] - 1169) <= 1 and abs(page.shape[0] - 827) <= 1
    dark = page.sum(axis=2) < 300
    assert dark[30:80].any() and dark[750:800].any() and dark[80:250, 880:].any() and (page[100:730, 60:800].std(axis=2) > 0).mean() > 0.5


def test_only_what_needs_qgis_may_be_skipped_where_skips_are_refused(pytestconfig):
    plugin = next(one for one in pytestconfig.pluginmanager.get_plugins() if hasattr(one, "refused"))
    other, known = (SimpleNamespace(nodeid=name, keywords={name: 1}) for name in ("dubai", "needs_qgis"))
    assert plugin.refused([other, known]) == ["dubai"] and plugin.refused([known]) == []
