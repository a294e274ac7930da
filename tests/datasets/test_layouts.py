from __future__ import annotations

import json
import zipfile

import geopandas as gpd
import h5py
import numpy as np
import pytest
from affine import Affine
from shapely.geometry import LineString, Point, box

from core.audit.audit import audit
from core.classes import DUBAI
from core.datasets import archives
from core.datasets.datasets import open_dataset
from core.errors import ClassesError, DatasetError, MaskError
from core.patches.prepare import prepare
from core.reading import zip_limits
from core.scenes.scene import Window
from tests.helpers.datasets import save, stripes

UTM = "EPSG:32640"
GRID = Affine(2.0, 0, 300_000, 0, -2.0, 2_780_000)  # 2 m pixels near Dubai


def scene(path, height: int = 40, width: int = 50, **options):
    return save(path, np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8), **options)


def ground(row: float, col: float, row_end: float, col_end: float):
    """A rectangle on the ground over these pixels."""
    return box(*(GRID * (col, row_end)), *(GRID * (col_end, row)))


# One mask file for each class


def test_one_file_for_each_class(tmp_path):
    water, road = np.zeros((20, 30), np.uint8), np.zeros((20, 30), np.uint8)
    water[:10], road[8:12, :15] = 255, 1
    for name in ("a", "b"):
        scene(tmp_path / f"images/{name}.png", 20, 30)
    save(tmp_path / "masks/a_water.png", water)
    save(tmp_path / "masks/a_road.png", road)
    save(tmp_path / "masks/b_water.png", water)
    dataset = open_dataset(tmp_path)
    assert dataset.scheme.names == ("road", "water")
    assert dataset.scheme.colours == (DUBAI.colours[2], DUBAI.colours[4])
    assert (dataset.kind, dataset.scheme_source) == ("ids", "names of the mask files, one for each class")
    ids = dataset.pairs[0].labels(dataset.scheme)
    expected = np.full((20, 30), 255)
    expected[:10], expected[8:12, :15] = 1, 0  # where both claim a pixel the first name wins
    np.testing.assert_array_equal(ids, expected)
    np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme, Window(7, 5, 6, 20)), expected[7:13, 5:25])
    np.testing.assert_array_equal(dataset.pairs[1].labels(dataset.scheme)[:10], 1)


def test_a_change_in_any_of_the_files_changes_the_digest(tmp_path):
    scene(tmp_path / "images/a.png", 20, 30)
    for name in ("road", "water"):
        save(tmp_path / f"masks/a_{name}.png", stripes(20, 30, 0, 1))
    before = open_dataset(tmp_path).digest
    assert open_dataset(tmp_path).digest == before
    save(tmp_path / "masks/a_water.png", stripes(20, 30, 1, 0, 1))
    assert open_dataset(tmp_path).digest != before


def test_a_single_class_has_the_background_as_its_other(tmp_path):
    scene(tmp_path / "images/a.png", 20, 30)
    save(tmp_path / "masks/building/a.png", (stripes(20, 30, 0, 1) * 255).astype(np.uint8))
    dataset = open_dataset(tmp_path)
    assert dataset.scheme.names == ("Background", "building")
    np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme), stripes(20, 30, 0, 1))


def test_files_of_one_image_that_differ_in_size_are_refused(tmp_path):
    scene(tmp_path / "images/a.png", 20, 30)
    save(tmp_path / "masks/a_water.png", np.ones((20, 30), np.uint8))
    save(tmp_path / "masks/a_road.png", np.ones((20, 29), np.uint8))
    with pytest.raises(MaskError, match="a_water.png has 20 x 30 pixels.*Expected the size of a_road.png, 20 x 29"):
        open_dataset(tmp_path).pairs[0].labels(DUBAI)


# HDF5


def test_landslide_chips_in_two_folders(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(3, 32, 32, 14))
    for k in range(3):
        for folder, name, data in (("img", "image", images[k]), ("mask", "mask", stripes(32, 32, 0, 1))):
            (tmp_path / folder).mkdir(exist_ok=True)
            with h5py.File(tmp_path / folder / f"{name}_{k + 1}.h5", "w") as file:
                file[folder] = data
    dataset = open_dataset(tmp_path)
    assert [pair.name for pair in dataset.pairs] == ["image_1", "image_2", "image_3"]
    assert dataset.scheme.names == ("Class 0", "Class 1")
    image = dataset.pairs[1].image
    assert (image.bands, image.dtype, image.shape) == (14, "float64", (32, 32))
    window = Window(3, 4, 10, 20)
    np.testing.assert_array_equal(image.read(window, [14, 2]), images[1][window.slices][..., [13, 1]])
    np.testing.assert_array_equal(dataset.pairs[1].labels(dataset.scheme, window), stripes(32, 32, 0, 1)[window.slices])
    store = prepare(dataset, tmp_path / "store", patch_size=16, stride=16, bands=[4, 3, 2], not_labelled=[])
    np.testing.assert_array_equal(store.images[0], images[0][:16, :16, [3, 2, 1]])


@pytest.mark.parametrize("channels_first", [False, True])
def test_a_stack_in_one_file(tmp_path, channels_first):
    images = np.random.default_rng(0).integers(0, 4000, (5, 16, 20, 4)).astype(np.uint16)
    masks = np.stack([np.full((16, 20), k % 2, np.uint8) for k in range(5)])
    path = tmp_path / "chips.h5"
    with h5py.File(path, "w") as file:
        file["images"] = images.transpose(0, 3, 1, 2) if channels_first else images
        file["masks"] = masks
    for place in (path, tmp_path):
        dataset = open_dataset(place)
        assert [pair.name for pair in dataset.pairs] == [f"chips_{k:05d}" for k in range(5)]
        assert len(dataset.groups) == 5
        np.testing.assert_array_equal(dataset.pairs[3].image.read(), images[3])
        np.testing.assert_array_equal(dataset.pairs[3].labels(dataset.scheme), masks[3])
    with h5py.File(tmp_path / "terrain.h5", "w") as file:
        file["elevation"] = np.zeros((16, 16))
    with pytest.raises(DatasetError, match="terrain.h5 holds no pair"):
        open_dataset(tmp_path)


def test_one_file_with_image_and_mask_for_each_chip(tmp_path):
    for k in range(2):
        with h5py.File(tmp_path / f"chip{k}.h5", "w") as file:
            file["img"] = np.full((16, 16, 3), k, np.float32)
            file["mask"] = np.full((16, 16, 1), k, np.uint8)
    dataset = open_dataset(tmp_path)
    assert [pair.name for pair in dataset.pairs] == ["chip0", "chip1"]
    assert dataset.unpaired == ()
    assert dataset.pairs[1].labels(dataset.scheme).tolist() == np.ones((16, 16)).tolist()
    with h5py.File(tmp_path / "chip0.h5", "w") as file:
        file["elevation"] = np.zeros((16, 16))
    with pytest.raises(DatasetError, match="chip0.h5 holds no pair"):
        open_dataset(tmp_path)


# Vector labels


def layer(path, features, crs=UTM, column="class_name"):
    frame = gpd.GeoDataFrame({column: [name for name, _ in features]}, geometry=[shape for _, shape in features], crs=crs)
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_file(path)
    return path


@pytest.mark.parametrize("ending", [".gpkg", ".geojson", ".shp"])
def test_polygons_are_burnt_onto_the_grid(tmp_path, ending):
    scene(tmp_path / "images/a.tif", crs=UTM, transform=GRID)
    layer(
        tmp_path / f"labels/a{ending}",
        [("Water", ground(5, 10, 20, 30)), ("Road", ground(18, 0, 22, 50))],
        column="class" if ending == ".shp" else "class_name",
    )
    dataset = open_dataset(tmp_path)
    assert dataset.scheme.names == ("Road", "Water")
    assert dataset.scheme_source == "classes of the vector labels"
    expected = np.full((40, 50), 255)
    expected[5:20, 10:30] = 1
    expected[18:22] = 0  # the later feature lies on top
    if ending == ".geojson":
        # GeoJSON is in degrees: reprojected to and fro, an outline moves by less than a pixel
        assert np.mean(dataset.pairs[0].labels(dataset.scheme) == expected) > 0.99
    else:
        np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme), expected)
        window = Window(15, 3, 9, 31)
        np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme, window), expected[window.slices])


def test_labels_in_another_crs_are_reprojected(tmp_path):
    scene(tmp_path / "images/a.tif", crs=UTM, transform=GRID)
    shapes = gpd.GeoSeries([ground(10, 10, 30, 40)], crs=UTM).to_crs("EPSG:3857")
    layer(tmp_path / "everything.gpkg", [("Water", shapes[0])], crs="EPSG:3857")
    dataset = open_dataset(tmp_path)
    assert dataset.scheme.names == ("Background", "Water")
    expected = np.zeros((40, 50))
    expected[10:30, 10:40] = 1
    np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme), expected)


def test_one_layer_labels_all_images_and_lines_take_what_they_touch(tmp_path):
    scene(tmp_path / "east.tif", crs=UTM, transform=GRID * Affine.translation(50, 0))
    scene(tmp_path / "west.tif", crs=UTM, transform=GRID)
    line = LineString([GRID * (40, 7.5), GRID * (59.5, 7.5)])
    layer(tmp_path / "labels.gpkg", [("Building", ground(0, 0, 5, 5)), ("Road", line), ("Tree", Point(GRID * (2.5, 30.5)))])
    dataset = open_dataset(tmp_path)
    east, west = (dataset.pair(name).labels(dataset.scheme) for name in ("east", "west"))
    names = dataset.scheme.names
    assert names == ("Building", "Road", "Tree")
    assert set(west[:5, :5].ravel()) == {0}
    assert set(west[7, 40:]) == set(east[7, :10]) == {1}
    assert west[30, 2] == 2
    assert np.count_nonzero(east != 255) == 10


def test_labels_with_coordinates_on_an_image_without_are_refused(tmp_path):
    scene(tmp_path / "a.png")
    layer(tmp_path / "a.gpkg", [("Water", ground(0, 0, 5, 5))])
    with pytest.raises(MaskError, match="has coordinates in .*UTM.*a.png has none"):
        open_dataset(tmp_path).pairs[0].labels(DUBAI)


def test_labels_in_pixels_fit_an_image_without_coordinates(tmp_path):
    scene(tmp_path / "a.png")
    layer(tmp_path / "a.gpkg", [("Water", box(10, -20, 30, -5)), ("Road", box(0, -2, 50, 0))], crs=None)
    dataset = open_dataset(tmp_path)
    expected = np.full((40, 50), 255)
    expected[5:20, 10:30], expected[:2] = 1, 0
    np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme), expected)


def test_a_class_file_recolours_named_labels_and_keeps_their_ids(tmp_path):
    scene(tmp_path / "a.png")
    layer(tmp_path / "a.gpkg", [("Water", box(10, -20, 30, -5)), ("Road", box(0, -2, 50, 0))], crs=None)
    colours = tmp_path / "mine.json"
    colours.write_text(json.dumps({"classes": [{"name": "water", "colour": "#0000FF"}, {"name": "Other", "colour": "#00FF00"}]}))
    scheme = open_dataset(tmp_path, classes=colours).scheme
    assert scheme.names == ("Road", "Water")
    assert scheme.colours == (DUBAI.colours[2], (0, 0, 255))
    colours.write_text(json.dumps({"classes": [{"name": "Sky", "colour": "#0000FF"}]}))
    with pytest.raises(ClassesError, match="a class list of Sky. Expected the classes Road, Water"):
        open_dataset(tmp_path, classes=colours)


def test_every_kind_of_label_can_be_audited(tmp_path):
    scene(tmp_path / "images/a.tif", crs=UTM, transform=GRID)
    layer(tmp_path / "labels/a.gpkg", [("Water", ground(0, 0, 40, 25)), ("Road", ground(0, 25, 40, 40))])
    fractions = audit(open_dataset(tmp_path)).class_fractions()
    assert fractions == {"Road": 15 / 50, "Water": 25 / 50, "Unlabeled": 10 / 50}


# Zips


@pytest.fixture
def zipped(tmp_path, make_tiles, monkeypatch):
    monkeypatch.setenv(archives.UNPACKED_VARIABLE, str(tmp_path / "unpacked"))
    root = make_tiles({"Tile 1": [stripes(16, 16, 0, 4)], "Tile 2": [stripes(16, 16, 1, 4)]})
    path = tmp_path / "upload.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in root.rglob("*.png"):
            archive.write(file, f"Semantic segmentation dataset/{file.relative_to(root).as_posix()}")
    return path


def test_a_zip_is_a_data_set(zipped):
    dataset = open_dataset(zipped)
    assert dataset.name == "upload"
    assert [pair.name for pair in dataset.pairs] == ["Tile 1/image_part_001", "Tile 2/image_part_001"]
    np.testing.assert_array_equal(dataset.pairs[1].labels(DUBAI), stripes(16, 16, 1, 4))
    first = dataset.pairs[0].image_path.stat().st_mtime_ns
    assert open_dataset(zipped).pairs[0].image_path.stat().st_mtime_ns == first


@pytest.mark.parametrize("name", ["../evil.png", "/etc/evil.png", "a/../../evil.png", "C:/evil.png", "..\\evil.png"])
def test_names_that_lead_out_are_refused_before_anything_is_written(tmp_path, name):
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images/a.png", b"x")
        archive.writestr(zipfile.ZipInfo(name), b"x")
    with pytest.raises(DatasetError, match="outside its folder"):
        archives.unpack(path, tmp_path / "out")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["bad.zip"]


def test_links_bombs_and_broken_archives_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "bad.zip"
    link = zipfile.ZipInfo("images/a.png")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DatasetError, match="outside its folder"):
        archives.unpack(path, tmp_path / "out")
    monkeypatch.setattr(zip_limits, "HARMLESS_BYTES", 1000)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images/a.png", bytes(2_000_000))
    with pytest.raises(DatasetError, match="times its size"):
        archives.unpack(path, tmp_path / "out")
    path.write_bytes(b"PK no zip")
    with pytest.raises(DatasetError, match="cannot be unpacked"):
        archives.unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_single_image_is_no_data_set(tmp_path):
    path = scene(tmp_path / "a.png")
    with pytest.raises(DatasetError, match="a.png is a single file"):
        open_dataset(path)


# NumPy arrays and ENVI


def test_arrays_that_numpy_saved_for_each_image(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 4000, (3, 24, 30, 5)).astype(">u2")
    for k in range(3):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "masks").mkdir(exist_ok=True)
        np.save(tmp_path / f"images/{k}.npy", pixels[k].transpose(2, 0, 1) if k else pixels[k])
        np.save(tmp_path / f"masks/{k}.npy", stripes(24, 30, 0, 1).astype(bool))
    dataset = open_dataset(tmp_path)
    assert [pair.image.bands for pair in dataset.pairs] == [5, 5, 5] and dataset.pairs[0].image.dtype == "uint16"
    window = Window(3, 4, 10, 20)
    np.testing.assert_array_equal(dataset.pairs[2].image.read(window, [5, 1]), pixels[2][window.slices][..., [4, 0]])
    np.testing.assert_array_equal(dataset.pairs[1].labels(dataset.scheme, window), stripes(24, 30, 0, 1)[window.slices])


@pytest.mark.parametrize("hot", [False, True])
def test_two_stacks_that_numpy_saved(tmp_path, hot):
    rng = np.random.default_rng(0)
    images = rng.random((5, 16, 20, 3)).astype("float32")
    masks = np.stack([stripes(16, 20, k % 3, 1, 2) for k in range(5)])
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "masks.npy", np.eye(3, dtype="float32")[masks] if hot else masks[..., None])
    dataset = open_dataset(tmp_path)
    assert [pair.name for pair in dataset.pairs] == [f"images_{k:05d}" for k in range(5)] and len(dataset.groups) == 5
    np.testing.assert_array_equal(dataset.pairs[3].image.read(), images[3])
    np.testing.assert_array_equal(dataset.pairs[4].labels(dataset.scheme), masks[4])
    np.save(tmp_path / "masks.npy", masks[:4])
    with pytest.raises(DatasetError, match=r"images.npy of shape \(5, 16, 20, 3\) and masks.npy of shape \(4, 16, 20\)"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("array", [np.array(["a"]), np.zeros((2, 2), complex), np.zeros(7), {"a": 1}])
def test_an_array_that_is_no_image_is_refused_in_one_line(tmp_path, array):
    from core.errors import SceneError
    from core.scenes.opening import open_scene

    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(SceneError, match="a.npy (holds an array|is no array of numbers)"):
        open_scene(tmp_path / "a.npy")


@pytest.mark.parametrize("ending", ["", ".dat", ".img"])
def test_envi_files_with_their_headers(tmp_path, ending):
    import rasterio

    pixels = np.random.default_rng(0).integers(0, 4000, (4, 20, 30)).astype("int16")
    for folder, data in (("images", pixels), ("masks", stripes(20, 30, 0, 1)[None])):
        (tmp_path / folder).mkdir()
        profile = dict(driver="ENVI", height=20, width=30, count=len(data), dtype=data.dtype, crs=UTM, transform=GRID)
        with rasterio.open(tmp_path / folder / f"a{ending}", "w", **profile) as file:
            file.write(data)
    (tmp_path / "images/notes.dat").write_text("no image")
    dataset = open_dataset(tmp_path)
    (pair,) = dataset.pairs
    np.testing.assert_array_equal(pair.image.read(), pixels.transpose(1, 2, 0))
    np.testing.assert_array_equal(pair.labels(dataset.scheme), stripes(20, 30, 0, 1))
    assert pair.image.geo.epsg == 32640
