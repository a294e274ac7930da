"""Vector labels: which column, layer or file names the class, where coordinates lie, and what is left out and said."""

from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from shapely.geometry import LineString, Point, box

from core.audit.audit import audit
from core.classes import ClassScheme
from core.datasets.annotations import run_lengths, unpacked
from core.datasets.class_columns import classes_of
from core.datasets.datasets import open_dataset
from core.errors import DatasetError, MaskError
from core.vector.formats.export import export
from core.vector.vectorize import vectorize
from tests.helpers.datasets import save

UTM = "EPSG:32631"
GRID = Affine(2.0, 0, 500_000, 0, -2.0, 4_000_000)
HEIGHT, WIDTH = 40, 50


def scene(path, transform=GRID, crs=UTM, height: int = HEIGHT, width: int = WIDTH):
    return save(path, np.zeros((height, width, 3), np.uint8), **({} if crs is None else {"crs": crs, "transform": transform}))


def ground(row: float, col: float, row_end: float, col_end: float, transform=GRID):
    """A rectangle on the ground over these pixels."""
    corners = [transform * point for point in ((col, row), (col_end, row), (col_end, row_end), (col, row_end))]
    return shapely.Polygon(corners)


def write(path, columns: dict, shapes, crs=UTM, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    gpd.GeoDataFrame(columns, geometry=list(shapes), crs=crs).to_file(path, **how)
    return path


def labels(root) -> tuple[tuple[str, ...], np.ndarray, str]:
    """Names of the classes, ids (h, w) of the first image, and what is said of them."""
    dataset = open_dataset(root)
    return dataset.scheme.names, dataset.pairs[0].labels(dataset.scheme), dataset.scheme_source


CELLS = [ground(2, 2 + 12 * k, 12, 10 + 12 * k) for k in range(4)]


# ---- which column names the class ----


def test_a_building_is_a_building_whatever_its_tag_says(tmp_path):
    scene(tmp_path / "images/s.tif")
    tags = {"building": ["yes", "yes", "school", "yes"], "name": [None, None, "Ecole Jules", None]}
    shapes = gpd.GeoSeries(CELLS, crs=UTM).to_crs(4326)
    write(tmp_path / "labels/buildings.geojson", tags, shapes, crs=4326)
    names, ids, said = labels(tmp_path)
    assert names == ("Background", "building")
    assert np.mean(ids == 1) == pytest.approx(4 * 80 / 2000)
    assert "the key of OpenStreetMap's tags is the class in buildings.geojson" in said
    notes = [finding.sentence for finding in audit(open_dataset(tmp_path)).findings]
    assert "Vector labels: the key of OpenStreetMap's tags is the class in buildings.geojson." in notes


def test_the_first_key_of_each_feature_is_its_class_and_features_without_any_are_left_out(tmp_path):
    scene(tmp_path / "s.tif")
    tags = {
        "osm_id": ["1", "2", "3", "4"],
        "building": ["house", None, "no", None],
        "highway": [None, "primary", None, None],
        "natural": [None, None, "water", None],
        "name": ["A", "B", "C", "D"],
    }
    write(tmp_path / "map.gpkg", tags, CELLS)
    names, ids, said = labels(tmp_path)
    assert names == ("building", "highway", "natural")
    assert [int(ids[5, 5 + 12 * k]) for k in range(4)] == [0, 1, 2, 255]
    assert "1 of 4 features left out: 1 without a class" in said


def test_tags_that_gdal_keeps_in_one_column_are_found():
    others = np.array(['"building"=>"yes","name"=>"Hall"', '"highway"=>"track"', None], object)
    found = classes_of({"osm_id": np.array(["1", "2", "3"], object), "other_tags": others}, 3, fallback="x")
    assert found.classes.tolist() == ["building", "highway", None]


@pytest.mark.parametrize(
    ("columns", "classes"),
    [
        ({"class_id": [1.0, 2.0, np.nan, 1.0]}, ["1", "2", None, "1"]),
        ({"class": ["1.0", "2.0", "", "1.0"]}, ["1", "2", None, "1"]),
        ({"DN": [0, 3, 3, 0]}, ["0", "3", "3", "0"]),
        ({"class_2018": ["Water", " Water ", "None", "Road"]}, ["Water", "Water", None, "Road"]),
        (
            {"fclass": ["forest", "park", "park", "forest"], "code": [1, 2, 2, 1], "osm_id": [1, 2, 3, 4]},
            ["forest", "park", "park", "forest"],
        ),
        ({"label": [None, None, None, "x"], "type": ["a", "b", "b", "a"]}, ["a", "b", "b", "a"]),
        ({"value": [0.31, 0.52, 0.7, 0.9]}, ["stem"] * 4),
        ({"name": ["Town hall", "School", "Church", "Mill"]}, ["stem"] * 4),
        ({"name": ["water", "road", "water", "road"]}, ["water", "road", "water", "road"]),
        ({"landuse": ["forest", "farm", "farm", "forest"]}, ["forest", "farm", "farm", "forest"]),
    ],
)
def test_a_column_names_classes_where_its_values_can_be_some(columns, classes):
    fields = {name: np.array(values, object if isinstance(values[0], str | None) else float) for name, values in columns.items()}
    assert classes_of(fields, 4, fallback="stem").classes.tolist() == classes


def test_numbers_of_things_are_no_classes_and_that_is_said(tmp_path):
    scene(tmp_path / "s.tif")
    shapes = [ground(2, 2 + 4 * k, 12, 4 + 4 * k) for k in range(10)]
    write(tmp_path / "parcels.gpkg", {"label": [f"P{k}" for k in range(10)]}, shapes)
    names, _, said = labels(tmp_path)
    assert names == ("Background", "parcels")
    assert "column label names no classes (10 different values in 10 rows) in parcels.gpkg" in said


def test_many_classes_that_come_again_and_again_are_kept():
    values = np.array([f"species {k % 80}" for k in range(800)], object)
    assert len(set(classes_of({"class": values}, 800, fallback="x").classes)) == 80
    assert set(classes_of({"class": values[:160]}, 160, fallback="x").classes) == {"x"}


def test_rows_without_geometry_or_class_are_counted_and_drawn_ones_are_not_labelled(tmp_path):
    scene(tmp_path / "s.tif")
    shapes = [*CELLS[:3], None]
    write(tmp_path / "s.gpkg", {"class": ["Water", None, "Road", "Road"]}, shapes)
    names, ids, said = labels(tmp_path)
    assert names == ("Road", "Water")
    assert [int(ids[5, 5 + 12 * k]) for k in range(4)] == [1, 255, 0, 255]
    assert "2 of 4 features left out: 1 without geometry, 1 without a class" in said


def test_names_that_differ_by_capital_letters_are_one_class_and_that_is_said(tmp_path):
    scene(tmp_path / "s.tif")
    write(tmp_path / "s.gpkg", {"class": ["Building", "building", "Building ", "Road"]}, CELLS)
    names, ids, said = labels(tmp_path)
    assert names == ("Building", "Road") and int((ids == 0).sum()) == 240
    assert "Building and building are one class" in said


def test_numbers_are_sorted_as_numbers(tmp_path):
    scene(tmp_path / "s.tif")
    write(tmp_path / "s.gpkg", {"class_id": [10.0, 2.0, 1.0, 2.0]}, CELLS)
    assert labels(tmp_path)[0] == ("1", "2", "10")


# ---- layers and files ----


def test_each_layer_of_a_geopackage_is_a_class_unless_a_column_names_it(tmp_path):
    scene(tmp_path / "s.tif")
    write(tmp_path / "labels.gpkg", {"height": [3.5]}, CELLS[:1], layer="buildings")
    write(tmp_path / "labels.gpkg", {"type": ["primary"]}, CELLS[1:2], layer="roads", mode="a")
    write(tmp_path / "labels.gpkg", {"class": ["pond", "lake"]}, CELLS[2:], layer="water", mode="a")
    names, ids, _ = labels(tmp_path)
    assert names == ("buildings", "lake", "pond", "roads")
    assert [int(ids[5, 5 + 12 * k]) for k in range(4)] == [0, 3, 2, 1]


def test_layers_in_several_crs_lie_where_each_says(tmp_path):
    scene(tmp_path / "s.tif")
    write(tmp_path / "labels.gpkg", {"a": [1]}, CELLS[:1], layer="one")
    write(tmp_path / "labels.gpkg", {"a": [1]}, gpd.GeoSeries(CELLS[1:2], crs=UTM).to_crs(3857), crs=3857, layer="two", mode="a")
    _, ids, _ = labels(tmp_path)
    assert [int((ids == k).sum()) for k in (0, 1)] == [80, 80]


@pytest.mark.parametrize(
    "files",
    [
        ("buildings.geojson", "roads.geojson"),
        ("labels/buildings.gpkg", "labels/roads.gpkg"),
        ("s_buildings.shp", "s_roads.shp"),
        ("labels/buildings/s.geojson", "labels/roads/s.geojson"),
        ("buildings/all.gpkg", "roads/all.gpkg"),
        ("buildings.GPKG", "roads.GeoJSON"),
    ],
)
def test_one_file_for_each_class(tmp_path, files):
    scene(tmp_path / "s.tif")
    for name, cell in zip(files, CELLS, strict=False):
        crs = 4326 if name.lower().endswith("geojson") else UTM
        shape = gpd.GeoSeries([cell], crs=UTM).to_crs(crs)
        driver = {"gpkg": "GPKG", "json": "GeoJSON", ".shp": "ESRI Shapefile"}[name.lower()[-4:]]
        write(tmp_path / name, {"surface": ["x"]}, shape, crs=crs, driver=driver)
    names, ids, _ = labels(tmp_path)
    assert names == ("buildings", "roads")
    assert [int((ids == k).sum()) for k in (0, 1)] == [80, 80]
    assert set(open_dataset(tmp_path).pairs[0].label_files) == {tmp_path / name for name in files}


def test_each_image_takes_the_files_nearest_to_it(tmp_path):
    for place, cell in (("a", CELLS[0]), ("b", CELLS[1])):
        scene(tmp_path / place / "image.tif")
        write(tmp_path / place / "buildings.gpkg", {"x": [1]}, [cell])
        write(tmp_path / place / "roads.gpkg", {"x": [1]}, CELLS[2:3])
    dataset = open_dataset(tmp_path)
    assert dataset.scheme.names == ("buildings", "roads")
    first, second = (pair.labels(dataset.scheme) for pair in dataset.pairs)
    assert first[5, 5] == 0 and second[5, 5] == 255 and second[5, 17] == 0


@pytest.mark.parametrize("ending", [".fgb", ".kml", ".shp.zip", ".json"])
def test_other_vector_formats(tmp_path, ending):
    scene(tmp_path / "s.tif")
    crs = 4326 if ending in (".kml", ".json") else UTM
    shape = gpd.GeoSeries(CELLS[:1], crs=UTM).to_crs(crs)
    driver = {".fgb": "FlatGeobuf", ".kml": "LIBKML", ".shp.zip": "ESRI Shapefile", ".json": "GeoJSON"}[ending]
    write(tmp_path / f"s{ending}", {"class": ["Water"]}, shape, crs=crs, driver=driver)
    names, ids, _ = labels(tmp_path)
    assert names == ("Background", "Water") and int((ids == 1).sum()) == 80


def test_json_that_labels_nothing_is_passed_over(tmp_path):
    scene(tmp_path / "s.tif")
    write(tmp_path / "s.gpkg", {"class": ["Water"]}, CELLS[:1])
    (tmp_path / "s.json").write_text('{"sensor": "x"}')
    (tmp_path / "broken.json").write_text('{"images": [')
    assert labels(tmp_path)[0] == ("Background", "Water")


def test_a_file_that_labels_no_image_is_said(tmp_path):
    scene(tmp_path / "a.tif")
    write(tmp_path / "a.gpkg", {"class": ["Water"]}, CELLS[:1])
    write(tmp_path / "legend.gpkg", {"class": ["Water"]}, CELLS[:1])
    assert "1 vector files label no image (legend.gpkg)" in labels(tmp_path)[2]


# ---- where coordinates lie ----


@pytest.mark.parametrize(
    ("transform", "crs"),
    [
        (GRID * Affine.rotation(30), UTM),
        (Affine(2.0, 0, 500_000, 0, 2.0, 4_000_000), UTM),
        (Affine(2e-5, 0, 3.0, 0, -2e-5, 36.1), "EPSG:4326"),
        (Affine(2.0, 0, 500_000, 0, -2.0, 200_000), "EPSG:7405"),
    ],
    ids=["turned", "south-up", "degrees", "compound"],
)
def test_polygons_in_degrees_fall_on_the_pixels_that_they_cover(tmp_path, transform, crs):
    scene(tmp_path / "s.tif", transform, crs)
    shape = gpd.GeoSeries([ground(5, 10, 25, 40, transform)], crs=gpd.GeoSeries([], crs=crs).crs.to_2d()).to_crs(4326)
    write(tmp_path / "s.geojson", {"class": ["Water"]}, shape, crs=4326)
    _, ids, _ = labels(tmp_path)
    expected = np.zeros((HEIGHT, WIDTH))
    expected[5:25, 10:40] = 1
    assert np.mean(ids == expected) > 0.995


def test_a_polygon_of_half_the_earth_covers_the_scene(tmp_path):
    scene(tmp_path / "s.tif")
    island = gpd.GeoSeries([CELLS[0]], crs=UTM).to_crs(4326)[0]
    write(tmp_path / "sea.geojson", {"class": ["sea", "land"]}, [box(-100, -80, 100, 80).difference(island), island], crs=4326)
    names, ids, _ = labels(tmp_path)
    assert names == ("land", "sea")
    assert int((ids == 0).sum()) == 80 and int((ids == 1).sum()) == HEIGHT * WIDTH - 80


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (ground(200, 250, 240, 300), "coordinates are taken for those of the image in s.geojson"),
        (box(250, 200, 300, 240), "coordinates are taken for columns and rows of the image in s.geojson"),
        (box(250, -240, 300, -200), "coordinates are taken for columns and rows of the image that run up in s.geojson"),
    ],
)
def test_geojson_that_is_in_no_degrees_is_fitted_to_the_image_and_that_is_said(tmp_path, shape, said):
    scene(tmp_path / "s.tif", height=300, width=400)
    feature = {"type": "Feature", "properties": {"class": "Water"}, "geometry": json.loads(shapely.to_geojson(shape))}
    (tmp_path / "s.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    _, ids, words = labels(tmp_path)
    assert said in words
    assert ids[200:240, 250:300].min() == 1 and int((ids == 1).sum()) == 40 * 50


def test_labels_with_a_crs_fit_an_image_whose_world_file_names_none(tmp_path):
    scene(tmp_path / "s.png", crs=None)
    t = GRID
    (tmp_path / "s.pgw").write_text(f"{t.a}\n0\n0\n{t.e}\n{t.c + t.a / 2}\n{t.f + t.e / 2}\n")
    write(tmp_path / "s.gpkg", {"class": ["Water"]}, CELLS[:1])
    _, ids, said = labels(tmp_path)
    assert int((ids == 1).sum()) == 80 and "coordinates are taken for those of the image in s.gpkg" in said


LOCAL = 'LOCAL_CS["site",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'


@pytest.mark.parametrize(("crs", "said"), [(None, "taken for those of the image"), (LOCAL, ""), (4326, "taken for those of the image")])
def test_labels_of_an_image_in_a_local_crs_are_in_its_own_metres(tmp_path, crs, said):
    site = Affine(0.05, 0, 10, 0, -0.05, 50)
    scene(tmp_path / "s.tif", site, LOCAL)
    write(tmp_path / "s.gpkg", {"class": ["Water"]}, [ground(2, 2, 12, 10, site)], crs=crs)
    _, ids, words = labels(tmp_path)
    assert int((ids == 1).sum()) == 80 and said in words


def test_labels_on_the_earth_and_an_image_in_a_local_crs_are_refused(tmp_path):
    scene(tmp_path / "s.tif", Affine(0.05, 0, 10, 0, -0.05, 50), LOCAL)
    write(tmp_path / "s.gpkg", {"class": ["Water"]}, CELLS[:1])
    with pytest.raises(MaskError, match="s.gpkg has coordinates in WGS 84 / UTM zone 31N, s.tif lies in the local CRS site"):
        labels(tmp_path)


def test_what_we_write_of_a_scene_without_crs_labels_it_again(tmp_path):
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[5:20, 10:30] = 1
    layer = vectorize(ids, scheme=ClassScheme(("Land", "Water"), ((1, 1, 1), (2, 2, 2))), simplify=0).layer
    scene(tmp_path / "s.png", crs=None)
    export(layer, tmp_path / "s.geojson")
    names, found, _ = labels(tmp_path)
    assert names == ("Land", "Water")
    np.testing.assert_array_equal(found, ids)


def test_labels_that_lie_beside_their_image_are_refused(tmp_path):
    scene(tmp_path / "s.tif")
    write(tmp_path / "s.gpkg", {"class": ["Water"]}, [ground(500, 500, 600, 600)])
    with pytest.raises(MaskError, match=r"no feature of s.gpkg lies on s.tif. Expected labels drawn on their image"):
        labels(tmp_path)


def test_an_image_whose_file_holds_no_features_shows_none(tmp_path):
    empty = '{"type": "FeatureCollection", "features": []}'
    for name in ("a", "b"):
        scene(tmp_path / f"images/{name}.tif")
    write(tmp_path / "labels/a.geojson", {"class": ["Water"]}, gpd.GeoSeries(CELLS[:1], crs=UTM).to_crs(4326), crs=4326)
    (tmp_path / "labels/b.geojson").write_text(empty)
    dataset = open_dataset(tmp_path)
    assert [int((pair.labels(dataset.scheme) == 1).sum()) for pair in dataset.pairs] == [80, 0]
    assert "no features in b.geojson" in dataset.scheme_source
    (tmp_path / "labels/a.geojson").write_text(empty)
    with pytest.raises(MaskError, match="no features in a.geojson and b.geojson. Expected labels drawn as polygons or lines"):
        open_dataset(tmp_path)


# ---- COCO ----


def coco(path, images, annotations, categories=((7, "building"), (9, "road"))):
    value = {
        "images": images,
        "annotations": [{"id": k, **one} for k, one in enumerate(annotations)],
        "categories": [{"id": number, "name": name} for number, name in categories],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def corners(row, col, row_end, col_end) -> list[float]:
    return [col, row, col_end, row, col_end, row_end, col, row_end]


def test_coco_polygons_and_masks_of_runs_for_all_images(tmp_path):
    for name in ("a", "b"):
        scene(tmp_path / f"images/{name}.png", crs=None)
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[30:35, 40:50] = True
    runs = np.diff(np.flatnonzero(np.diff(np.r_[0, mask.T.ravel(), 0])), prepend=0).tolist()
    runs.append(mask.size - sum(runs))
    images = [{"id": k, "file_name": f"{name}.png", "height": HEIGHT, "width": WIDTH} for k, name in enumerate(("a", "b", "gone"))]
    coco(
        tmp_path / "annotations/instances_train.json",
        images,
        [
            {"image_id": 0, "category_id": 7, "segmentation": [corners(2, 3, 12, 20), corners(20, 3, 25, 8)], "bbox": [3, 2, 17, 23]},
            {"image_id": 0, "category_id": 9, "segmentation": {"size": [HEIGHT, WIDTH], "counts": runs}},
            {"image_id": "1", "category_id": "7", "segmentation": [corners(0, 0, 40, 10)]},
            {"image_id": 1, "category_id": 9, "segmentation": [], "bbox": [1, 1, 5, 5]},
        ],
    )
    dataset = open_dataset(tmp_path)
    assert dataset.scheme.names == ("building", "road")
    first, second = (pair.labels(dataset.scheme) for pair in dataset.pairs)
    expected = np.full((HEIGHT, WIDTH), 255)
    expected[2:12, 3:20] = expected[20:25, 3:8] = 0
    expected[mask] = 1
    np.testing.assert_array_equal(first, expected)
    assert (second[:, :10] == 0).all() and (second[:, 10:] == 255).all()
    assert "1 of 4 features left out: 1 with a box and no outline" in dataset.scheme_source
    assert "1 images that the annotations name are not there (gone.png)" in dataset.scheme_source


def test_packed_runs_are_those_that_were_packed():
    # 52 pixels off, then 3 on, 2 off, 5 on, 38 off, packed as COCO's own tools do: numbers from the fourth run on are differences
    counts = [52, 3, 2, 5, 38]
    packed = ""
    for k, count in enumerate(counts):
        value = count - counts[k - 2] if k > 2 else count
        more = True
        while more:
            part, value = value & 31, value >> 5
            more = value != (-1 if part & 16 else 0)
            packed += chr((part | 32 if more else part) + 48)
    assert unpacked(packed) == counts
    mask = run_lengths(counts, 10, 10)
    assert mask.T.ravel()[52:55].all() and mask.sum() == 8


def test_coco_of_an_image_in_another_size_is_refused(tmp_path):
    scene(tmp_path / "a.png", crs=None)
    image = {"id": 0, "file_name": "a.png", "height": 80, "width": 100}
    coco(tmp_path / "all.json", [image], [{"image_id": 0, "category_id": 7, "segmentation": [corners(0, 0, 9, 9)]}])
    with pytest.raises(MaskError, match=r"all.json was drawn on 80 x 100 pixels \(height x width\), a.png has 40 x 50"):
        labels(tmp_path)


def test_coco_beside_images_of_equal_names_labels_those_beside_it(tmp_path):
    for part, size in (("train", 10), ("valid", 20)):
        scene(tmp_path / part / "a.jpg", crs=None)
        image = {"id": 3, "file_name": "a.jpg", "height": HEIGHT, "width": WIDTH}
        drawn = [{"image_id": 3, "category_id": 9, "segmentation": [corners(0, 0, size, 50)]}]
        coco(tmp_path / part / "_annotations.coco.json", [image], drawn)
    dataset = open_dataset(tmp_path)
    assert dataset.scheme.names == ("Background", "road")
    assert [float(np.mean(pair.labels(dataset.scheme) == 1)) for pair in dataset.pairs] == [0.25, 0.5]


def test_a_file_without_any_class_is_refused(tmp_path):
    scene(tmp_path / "a.png", crs=None)
    coco(
        tmp_path / "all.json", [{"id": 0, "file_name": "a.png"}], [{"image_id": 0, "category_id": 1, "segmentation": [corners(0, 0, 9, 9)]}]
    )
    with pytest.raises(DatasetError, match=r"no classes in all.json. Expected features of 1 to 254 classes"):
        labels(tmp_path)


# ---- labelme ----


def labelme(path, shapes, image=None, size=(HEIGHT, WIDTH)):
    value = {"version": "5.4.1", "flags": {}, "shapes": [{"shape_type": "polygon", "group_id": None, **one} for one in shapes]}
    value |= {"imagePath": image or f"{path.stem}.png", "imageData": None, "imageHeight": size[0], "imageWidth": size[1]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def test_labelme_shapes_lie_where_they_were_drawn(tmp_path):
    scene(tmp_path / "images/a.png", crs=None)
    labelme(
        tmp_path / "labels/a.json",
        [
            {"label": "roof", "points": [[3, 2], [20, 2], [20, 12], [3, 12]]},
            {"label": "tree", "points": [[30.5, 10.5], [36.5, 10.5]], "shape_type": "circle"},
            {"label": "roof", "points": [[49, 39], [40, 30]], "shape_type": "rectangle"},
            {"label": "wire", "points": [[0.5, 20.5], [49.5, 20.5]], "shape_type": "linestrip"},
            {"label": "__ignore__", "points": [[3, 30], [8, 30], [8, 35], [3, 35]]},
            {"label": "roof", "points": [[1, 1], [2, 2]]},
        ],
        image="..\\images\\a.png",
    )
    names, ids, said = labels(tmp_path)
    assert names == ("roof", "tree", "wire")
    assert (ids[2:12, 3:20] == 0).all() and (ids[30:39, 40:49] == 0).all() and (ids[20] == 2).all()
    assert int((ids == 1).sum()) == pytest.approx(np.pi * 36, rel=0.05) and ids[10, 30] == 1
    assert ids[32, 5] == 255 and "1 of 6 features left out: 1 without geometry" in said


def test_an_image_on_which_nothing_was_drawn_is_background(tmp_path):
    for name, shapes in (("a", [{"label": "roof", "points": [[0, 0], [50, 0], [50, 20], [0, 20]]}]), ("b", [])):
        scene(tmp_path / f"{name}.png", crs=None)
        labelme(tmp_path / f"{name}.json", shapes)
    dataset = open_dataset(tmp_path)
    assert [float(np.mean(pair.labels(dataset.scheme) == 1)) for pair in dataset.pairs] == [0.5, 0]


def test_labelme_follows_the_name_of_its_file_where_the_image_was_renamed(tmp_path):
    for name in ("a", "b"):
        scene(tmp_path / f"{name}.tif")
        labelme(tmp_path / f"{name}.json", [{"label": "roof", "points": [[0, 0], [50, 0], [50, 20], [0, 20]]}], image="IMG_7.JPG")
    dataset = open_dataset(tmp_path)
    assert [pair.name for pair in dataset.pairs] == ["a", "b"] and dataset.scheme.names == ("Background", "roof")
    assert np.mean(dataset.pairs[1].labels(dataset.scheme) == 1) == 0.5


def test_lines_and_points_take_the_pixels_that_they_touch_whatever_the_file(tmp_path):
    scene(tmp_path / "s.tif")
    write(tmp_path / "road.gpkg", {"x": [1]}, [LineString([GRID * (0, 7.5), GRID * (50, 7.5)])])
    write(tmp_path / "tree.gpkg", {"x": [1]}, [Point(*(GRID * (2.5, 30.5)))])
    names, ids, _ = labels(tmp_path)
    assert names == ("road", "tree") and (ids[7] == 0).all() and ids[30, 2] == 1


def test_files_that_are_called_after_their_images_name_no_classes(tmp_path):
    for name, cell in (("a", CELLS[0]), ("b", CELLS[1])):
        scene(tmp_path / f"images/{name}.tif")
        write(tmp_path / f"labels/{name}.gpkg", {"height": [3.5]}, [cell])
    names, ids, _ = labels(tmp_path)
    assert names == ("Background", "Labelled") and int((ids == 1).sum()) == 80
    write(tmp_path / "labels/b.gpkg", {"type": ["road"]}, CELLS[:1])
    assert labels(tmp_path)[0] == ("Labelled", "road")
