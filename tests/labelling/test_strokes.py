"""Strokes: which pixels they cover, whose they are, and files that hold them."""

import numpy as np
import pytest
import rasterio
import shapely

from core.errors import InputError, SettingsError
from core.labelling.stroke_files import read_strokes, write_strokes
from core.labelling.strokes import Stroke, burn, covering, painted_twice
from core.scenes.opening import open_scene
from core.scenes.scene import Window

WHOLE = Window(0, 0, 4, 6)
NAMES = ("Road", "Water")


def box(left, top, right, bottom):
    return shapely.box(left, top, right, bottom)


@pytest.fixture
def scene(tmp_path):
    """A 40 x 60 picture without CRS."""
    with rasterio.open(tmp_path / "plain.png", "w", driver="PNG", height=40, width=60, count=3, dtype="uint8") as file:
        file.write(np.arange(3 * 40 * 60, dtype=np.uint32).reshape(3, 40, 60).astype(np.uint8))
    return open_scene(tmp_path / "plain.png")


@pytest.fixture
def placed(tmp_path):
    """The same in UTM zone 40, pixels of 0.5 m."""
    transform = rasterio.Affine(0.5, 0, 400_000, 0, -0.5, 2_700_000)
    profile = dict(driver="GTiff", height=40, width=60, count=3, dtype="uint8", crs="EPSG:32640", transform=transform)
    with rasterio.open(tmp_path / "placed.tif", "w", **profile) as file:
        file.write(np.full((3, 40, 60), 7, np.uint8))
    return open_scene(tmp_path / "placed.tif")


def test_the_later_stroke_wins_and_the_eraser_takes_away():
    strokes = [Stroke("Road", box(0, 0, 4, 2)), Stroke("Water", box(2, 0, 6, 2)), Stroke(None, box(5, 0, 6, 1))]
    assert burn(strokes, NAMES, WHOLE).tolist() == [
        [0, 0, 1, 1, 1, -1],
        [0, 0, 1, 1, 1, 1],
        [-1] * 6,
        [-1] * 6,
    ]
    assert covering(strokes, Window(0, 2, 1, 4)).tolist() == [[1, 1, 1, -1]]


def test_what_is_painted_over_the_eraser_counts_again():
    strokes = [Stroke("Road", box(0, 0, 2, 1)), Stroke(None, box(0, 0, 2, 1)), Stroke("Water", box(1, 0, 2, 1))]
    assert burn(strokes, NAMES, Window(0, 0, 1, 3)).tolist() == [[-1, 1, -1]]


def test_a_line_is_as_wide_as_its_brush():
    strokes = [Stroke("Water", shapely.LineString([(0, 2), (6, 2)]), width_px=2.0)]
    assert (burn(strokes, NAMES, WHOLE) == 1).tolist() == [[False] * 6, [True] * 6, [True] * 6, [False] * 6]


def test_the_thinnest_brush_paints_one_pixel_at_least():
    for x, y in ((2.0, 2.0), (2.5, 2.5), (2.99, 2.01)):
        assert (burn([Stroke("Road", shapely.Point(x, y), width_px=0.1)], NAMES, WHOLE) == 0).any()


def test_a_window_gets_what_the_whole_gets():
    rng = np.random.default_rng(0)
    strokes = [Stroke(NAMES[k % 2], shapely.LineString(rng.uniform(0, 50, (4, 2))), width_px=1 + k) for k in range(8)]
    whole = burn(strokes, NAMES, Window(0, 0, 50, 50))
    part = Window(13, 7, 21, 30)
    assert np.array_equal(burn(strokes, NAMES, part), whole[part.slices])


def test_a_class_that_nobody_named_is_refused():
    with pytest.raises(SettingsError, match="a stroke of 'Tree'. Expected one of Road, Water"):
        burn([Stroke("Tree", box(0, 0, 1, 1))], NAMES, WHOLE)


def test_pixels_painted_twice_are_counted_by_both_classes():
    strokes = [Stroke("Road", box(0, 0, 4, 2)), Stroke("Road", box(0, 0, 6, 1)), Stroke("Water", box(3, 0, 5, 2))]
    # Columns 3 and 4 of row 0 and column 3 of row 1 were Road's.
    assert painted_twice(strokes, WHOLE) == {("Road", "Water"): 3}


@pytest.mark.parametrize("ending", [".geojson", ".gpkg"])
@pytest.mark.parametrize("name", ["scene", "placed"])
def test_files_keep_strokes_their_order_and_the_eraser(ending, name, request, tmp_path):
    where = request.getfixturevalue(name)
    strokes = [
        Stroke("Road", shapely.LineString([(1, 2), (20, 30)]), 5.0),
        Stroke(None, shapely.Point(7, 7), 2.5),
        Stroke("Water", box(30, 5, 50, 20)),
    ]
    found = read_strokes(write_strokes(tmp_path / f"strokes{ending}", strokes, where), where)
    assert [(one.class_name, one.width_px) for one in found.strokes] == [("Road", 5.0), (None, 2.5), ("Water", 3.0)]
    for one, meant in zip(found.strokes, strokes, strict=True):
        assert one.geometry.geom_type == meant.geometry.geom_type
        assert one.geometry.hausdorff_distance(meant.geometry) < 1e-6
    assert found.notes == ()


def test_strokes_in_another_crs_lie_where_they_were_drawn(placed, tmp_path):
    """(10, 10) in pixels is 400005, 2699995 in UTM zone 40."""
    import geopandas as gpd

    line = gpd.GeoSeries([shapely.LineString([(400_005, 2_699_995), (400_010, 2_699_985)])], crs="EPSG:32640")
    gpd.GeoDataFrame({"label": ["Road"]}, geometry=line).to_crs("EPSG:4326").to_file(tmp_path / "lonlat.geojson")
    [stroke] = read_strokes(tmp_path / "lonlat.geojson", placed).strokes
    assert np.allclose(shapely.get_coordinates(stroke.geometry), [(10, 10), (20, 30)], atol=0.01)


def features(*rows, **head):
    """A GeoJSON text of (properties, geometry) pairs."""
    import json

    made = [{"type": "Feature", "properties": properties, "geometry": geometry} for properties, geometry in rows]
    return json.dumps({"type": "FeatureCollection", **head, "features": made})


LINE = {"type": "LineString", "coordinates": [[5, -5], [20, -30]]}


def test_pixels_run_down_as_negative_numbers_without_any_member_that_says_so(scene, tmp_path):
    (tmp_path / "s.geojson").write_text(features(({"class": "Road"}, LINE)))
    found = read_strokes(tmp_path / "s.geojson", scene)
    assert shapely.get_coordinates(found.strokes[0].geometry).tolist() == [[5, 5], [20, 30]]
    assert found.notes == ()


def test_what_cannot_be_taken_is_counted(scene, tmp_path):
    far = {"type": "Point", "coordinates": [900, -5]}
    bow = {"type": "Polygon", "coordinates": [[[1, -1], [9, -9], [9, -1], [1, -9], [1, -1]]]}
    rows = [
        ({"class": "Road"}, LINE),
        ({"class": "Water"}, bow),
        ({"class": "Water"}, far),
        ({"class": None}, LINE),
        ({"class": "Road"}, None),
    ]
    (tmp_path / "s.geojson").write_text(features(*rows))
    found = read_strokes(tmp_path / "s.geojson", scene)
    assert len(found.strokes) == 2
    assert found.notes[:3] == (
        "2 of 5 features without a class or geometry: left out",
        "1 of 3 strokes outside the scene: left out",
        "1 polygon with sides that cross: mended",
    )
    assert found.notes[3].endswith("painted twice, as Road and then as Water: the later counts")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (features(), "no strokes in s.geojson. Expected lines or polygons with a column `class`"),
        (features(({"kind": "Road"}, LINE)), "s.geojson with columns kind. Expected lines or polygons with a column `class`"),
        (features(({"class": "Road", "width_px": -3}, LINE)), "a width_px of -3.* Expected pixels from 1"),
        (features(({"class": "Road"}, {"type": "Point", "coordinates": [70, -80]})), "none of the 1 stroke of s.geojson lies on plain.png"),
        (features(({"class": None, "eraser": True}, LINE)), "none of the 1 stroke"),
        ('{"type": "FeatureCollection", "features": [', "s.geojson cannot be read"),
        ("PK", "s.geojson does not hold what its name says"),
    ],
)
def test_a_file_that_holds_no_strokes_is_refused_in_one_line(text, said, scene, tmp_path):
    (tmp_path / "s.geojson").write_text(text)
    with pytest.raises(InputError, match=said) as refusal:
        read_strokes(tmp_path / "s.geojson", scene)
    assert "\n" not in str(refusal.value)


def test_strokes_with_a_crs_on_a_scene_without_one_are_refused(scene, placed, tmp_path):
    write_strokes(tmp_path / "s.gpkg", [Stroke("Road", box(1, 1, 5, 5))], placed)
    with pytest.raises(InputError, match="strokes in WGS 84 / UTM zone 40N for plain.png, which has no CRS"):
        read_strokes(tmp_path / "s.gpkg", scene)


def test_a_stroke_that_ends_at_a_tile_is_counted_in_the_tiles_that_it_covers():
    """Overlaps are counted by tiles of 512 pixels: 10 columns of 20 rows on either side of the seam."""
    strokes = [Stroke("Road", box(400, 0, 512, 20)), Stroke("Road", box(512, 0, 600, 20)), Stroke("Water", box(502, 0, 522, 20))]
    assert painted_twice(strokes, Window(0, 0, 100, 1024)) == {("Road", "Water"): 400}
