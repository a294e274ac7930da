"""Rasters that say where they lie and not in which CRS: world files, transforms and control points without one, and .prj files."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from pyproj import CRS

from core.errors import SceneError
from core.geo import PIXEL_TRANSFORM
from core.scenes.mosaic import open_mosaic
from core.scenes.opening import open_scene

WORDS = "0.5\n0\n0\n-0.5\n652000.25\n6861999.75\n"
PLACED = Affine(0.5, 0, 652_000, 0, -0.5, 6_862_000)


def picture(path, height: int = 20, width: int = 30):
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize(
    ("image", "beside"),
    [
        ("s.png", "s.pgw"),
        ("s.png", "s.PGW"),
        ("s.png", "s.pngw"),
        ("s.png", "s.wld"),
        ("s.jpg", "s.jgw"),
        ("s.JPG", "s.jgw"),
        ("s.tif", "s.tfw"),
        ("s.tif", "s.TFW"),
        ("s.bmp", "s.bpw"),
        ("s.webp", "s.wpw"),
        ("s.gif", "s.gfw"),
    ],
)
def test_a_world_file_places_the_image(tmp_path, image, beside):
    picture(tmp_path / image)
    (tmp_path / beside).write_text(WORDS)
    geo = open_scene(tmp_path / image).geo
    assert geo.crs is None and geo.unnamed and geo.transform.almost_equals(PLACED)


def test_a_world_file_may_turn_the_image(tmp_path):
    picture(tmp_path / "s.png")
    turned = Affine.translation(652_000, 6_862_000) * Affine.rotation(30) * Affine.scale(0.5, -0.5)
    x, y = turned * (0.5, 0.5)
    (tmp_path / "s.pngw").write_text("\n".join(f"{number!r}" for number in (turned.a, turned.d, turned.b, turned.e, x, y)))
    assert open_scene(tmp_path / "s.png").geo.transform.almost_equals(turned, 1e-6)


@pytest.mark.parametrize(("words", "found"), [("0.5 0 0\n", "s.pngw is no world file"), ("0 0 0 0 1 1", "s.pngw gives pixels no size")])
def test_a_broken_world_file_is_refused(tmp_path, words, found):
    picture(tmp_path / "s.png")
    (tmp_path / "s.pngw").write_text(words)
    with pytest.raises(SceneError, match=found):
        open_scene(tmp_path / "s.png")


def test_a_prj_beside_the_image_names_the_crs(tmp_path):
    picture(tmp_path / "s.png")
    (tmp_path / "s.pgw").write_text(WORDS)
    (tmp_path / "s.prj").write_text(CRS.from_epsg(2154).to_wkt("WKT1_ESRI"))
    geo = open_scene(tmp_path / "s.png").geo
    assert "Lambert" in geo.crs.name and geo.georeferenced


@pytest.mark.parametrize("beside", ["a Shapefile's", "one that does not hold there", "no WKT"])
def test_a_prj_that_may_be_of_something_else_names_nothing(tmp_path, beside):
    picture(tmp_path / "s.png")
    (tmp_path / "s.pgw").write_text(WORDS)
    (tmp_path / "s.prj").write_text(
        "words" if beside == "no WKT" else CRS.from_epsg(4326 if "hold" in beside else 2154).to_wkt("WKT1_ESRI")
    )
    if beside == "a Shapefile's":
        (tmp_path / "s.shp").write_bytes(b"")
    assert open_scene(tmp_path / "s.png").geo.unnamed


def test_transforms_and_control_points_without_crs_are_kept(tmp_path):
    with rasterio.open(tmp_path / "t.tif", "w", driver="GTiff", height=20, width=30, count=1, dtype="uint8", transform=PLACED) as file:
        file.write(np.zeros((1, 20, 30), np.uint8))
    assert open_scene(tmp_path / "t.tif").geo.transform == PLACED
    corners = [(row, col, *(PLACED * (col, row))) for row in (0, 20) for col in (0, 30)]
    points = "".join(f'<GCP Id="" Pixel="{col}" Line="{row}" X="{x}" Y="{y}"/>' for row, col, x, y in corners)
    band = '<VRTRasterBand dataType="Byte" band="1"/>'
    (tmp_path / "p.vrt").write_text(f'<VRTDataset rasterXSize="30" rasterYSize="20"><GCPList>{points}</GCPList>{band}</VRTDataset>')
    geo = open_scene(tmp_path / "p.vrt").geo
    assert geo.unnamed and geo.transform.almost_equals(PLACED, 1e-6)


def test_what_says_nothing_lies_in_pixels(tmp_path):
    assert open_scene(picture(tmp_path / "s.png")).geo.transform == PIXEL_TRANSFORM


def test_chips_with_world_files_lie_where_these_say(tmp_path):
    for col in range(2):
        rng = np.random.default_rng(col)
        Image.fromarray(rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)).save(tmp_path / f"chip{1 - col}.png")
        (tmp_path / f"chip{1 - col}.pgw").write_text(f"0.5\n0\n0\n-0.5\n{652000.25 + 15 * col}\n6861999.75\n")
    scene = open_mosaic(tmp_path)
    assert scene.shape == (20, 60) and scene.geo.transform.almost_equals(PLACED)
