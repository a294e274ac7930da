"""Scene: every kind of raster, by window, equal to a plain read."""

import h5py
import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp

from core.errors import SceneError
from core.scenes.display import default_rgb, display_rgb, stretch
from core.scenes.opening import open_scene, scene_of_array
from core.scenes.scene import Window, windows_of

TRANSFORM = Affine(0.3, 0, 325000, 0, -0.3, 2785000)
WINDOWS = (Window(0, 0, 1, 1), Window(3, 5, 11, 7), Window(20, 30, 13, 11))


def random_pixels(dtype="uint8", bands=3, height=33, width=41):
    random = np.random.default_rng(7)
    if np.issubdtype(np.dtype(dtype), np.floating):
        return random.normal(size=(height, width, bands)).astype(dtype)
    return random.integers(0, min(np.iinfo(dtype).max, 4000), (height, width, bands)).astype(dtype)


def write_tiff(path, pixels, **profile):
    profile = {"crs": "EPSG:32640", "transform": TRANSFORM} | profile
    with rasterio.open(
        path, "w", driver="GTiff", height=pixels.shape[0], width=pixels.shape[1], count=pixels.shape[2], dtype=pixels.dtype, **profile
    ) as out:
        out.write(pixels.transpose(2, 0, 1))
    return path


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "float64"])
@pytest.mark.parametrize("bands", [1, 3, 12])
def test_geotiff_windows_equal_a_plain_read(tmp_path, dtype, bands):
    pixels = random_pixels(dtype, bands)
    scene = open_scene(write_tiff(tmp_path / "a.tif", pixels))
    assert (scene.height, scene.width, scene.bands, scene.dtype) == (33, 41, bands, dtype)
    assert scene.geo.epsg == 32640 and scene.geo.transform == TRANSFORM
    np.testing.assert_array_equal(scene.read(), pixels)
    for window in WINDOWS:
        np.testing.assert_array_equal(scene.read(window), pixels[window.slices])
    if bands == 12:
        np.testing.assert_array_equal(scene.read(WINDOWS[1], (4, 3, 2)), pixels[WINDOWS[1].slices][..., [3, 2, 1]])
    assert scene.valid().all()


def test_png_and_jpeg(tmp_path):
    pixels = random_pixels()
    Image.fromarray(pixels).save(tmp_path / "a.png")
    scene = open_scene(tmp_path / "a.png")
    np.testing.assert_array_equal(scene.read(WINDOWS[1]), pixels[WINDOWS[1].slices])
    assert not scene.geo.georeferenced and scene.geo.xy(2, 3) == (3, -2)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=95)
    with rasterio.open(tmp_path / "a.jpg") as file:
        plain = file.read().transpose(1, 2, 0)
    np.testing.assert_array_equal(open_scene(tmp_path / "a.jpg").read(WINDOWS[1]), plain[WINDOWS[1].slices])


def test_nodata_alpha_mask_and_nan(tmp_path):
    hole = np.zeros((33, 41), bool)
    hole[4:9, 5:8] = True
    pixels = random_pixels("uint16") + 1
    pixels[hole] = 0
    by_value = open_scene(write_tiff(tmp_path / "nodata.tif", pixels, nodata=0))
    floating = random_pixels("float32")
    floating[hole] = np.nan
    by_nan = open_scene(write_tiff(tmp_path / "nan.tif", floating, nodata=np.nan))
    undeclared = open_scene(write_tiff(tmp_path / "nan2.tif", floating))
    rgba = np.dstack([random_pixels(), np.where(hole, 0, 255).astype(np.uint8)])
    write_tiff(tmp_path / "alpha.tif", rgba, photometric="RGB", alpha="YES")
    with rasterio.open(tmp_path / "alpha.tif") as file:
        assert file.colorinterp[3] == ColorInterp.alpha
    by_alpha = open_scene(tmp_path / "alpha.tif")
    assert by_alpha.bands == 3
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        path = write_tiff(tmp_path / "mask.tif", random_pixels())
        with rasterio.open(path, "r+") as file:
            file.write_mask(~hole)
    for scene in (by_value, by_nan, undeclared, by_alpha, open_scene(path)):
        np.testing.assert_array_equal(scene.valid(), ~hole, err_msg=scene.name)
        window = Window(3, 4, 7, 6)
        np.testing.assert_array_equal(scene.valid(window), ~hole[window.slices], err_msg=scene.name)


def test_palette_images_open_as_colours_or_as_indices(tmp_path):
    indices = np.random.default_rng(1).integers(0, 3, (9, 11), dtype=np.uint8)
    image = Image.fromarray(indices, mode="P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.save(tmp_path / "a.png")
    colours = open_scene(tmp_path / "a.png")
    assert colours.bands == 3
    table = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]], np.uint8)
    np.testing.assert_array_equal(colours.read(Window(1, 2, 5, 6)), table[indices[1:6, 2:8]])
    plain = open_scene(tmp_path / "a.png", expand_palette=False)
    np.testing.assert_array_equal(plain.read()[..., 0], indices)


def test_control_points_rotation_and_degrees(tmp_path):
    points = [GroundControlPoint(row=r, col=c, x=500000 + 2 * c, y=2800000 - 2 * r) for r in (0, 33) for c in (0, 41)]
    path = tmp_path / "gcps.tif"
    with rasterio.open(path, "w", driver="GTiff", height=33, width=41, count=1, dtype="uint8", gcps=points, crs="EPSG:32640") as out:
        out.write(random_pixels(bands=1).transpose(2, 0, 1))
    scene = open_scene(path)
    assert scene.geo.epsg == 32640 and scene.geo.xy(10, 10) == pytest.approx((500020, 2799980))
    rotated = Affine.translation(325000, 2785000) * Affine.rotation(30) * Affine.scale(0.3, -0.3)
    assert open_scene(write_tiff(tmp_path / "r.tif", random_pixels(), transform=rotated)).geo.transform.almost_equals(rotated)
    degrees = open_scene(write_tiff(tmp_path / "d.tif", random_pixels(), crs="EPSG:4326", transform=Affine(1e-5, 0, 55, 0, -1e-5, 25)))
    # At 25 N a degree is 100.95 km east and 110.78 km north: sqrt(1.0095 * 1.1078) m
    assert degrees.ground_sample_distance_m == pytest.approx(1.0575, rel=1e-3)


def write_with_points(path, pixels):
    points = [GroundControlPoint(row=r, col=c, x=500000 + 2 * c, y=2800000 - 2 * r) for r in (0, 33) for c in (0, 41)]
    with rasterio.open(path, "w", driver="GTiff", height=33, width=41, count=3, dtype=pixels.dtype, gcps=points, crs="EPSG:32640") as out:
        out.write(pixels.transpose(2, 0, 1))


def write_with_mask(path, pixels):
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write_tiff(path, pixels)
        with rasterio.open(path, "r+") as file:
            file.write_mask(np.arange(41) > np.arange(33)[:, None])


ROTATED = Affine.translation(325000, 2785000) * Affine.rotation(30) * Affine.scale(0.3, -0.3)
KINDS = {
    "nodata": lambda path, pixels: write_tiff(path, pixels, nodata=0),
    "nan": lambda path, pixels: write_tiff(path, np.where(pixels < 20, np.nan, pixels).astype("float32"), nodata=np.nan),
    "alpha": lambda path, pixels: write_tiff(path, np.dstack([pixels, pixels[..., :1] // 128 * 255]), photometric="RGB", alpha="YES"),
    "internal mask": write_with_mask,
    "control points": write_with_points,
    "rotated": lambda path, pixels: write_tiff(path, pixels, transform=ROTATED),
    "degrees": lambda path, pixels: write_tiff(path, pixels, crs="EPSG:4326", transform=Affine(1e-5, 0, 55, 0, -1e-5, 25)),
    "no CRS": lambda path, pixels: write_tiff(path, pixels, crs=None, transform=Affine.identity()),
    "BigTIFF": lambda path, pixels: write_tiff(path, pixels, bigtiff="YES", tiled=True, blockxsize=16, blockysize=16),
}


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_tiff_reads_by_window_as_rasterio_reads_it_whole(tmp_path, kind):
    path = tmp_path / "a.tif"
    KINDS[kind](path, random_pixels())
    with rasterio.open(path) as file:
        plain, valid = file.read([1, 2, 3]).transpose(1, 2, 0), file.dataset_mask() > 0
    scene = open_scene(path)
    assert scene.bands == 3 and scene.geo.georeferenced == (kind != "no CRS")
    assert (path.read_bytes()[2] == 43) == (kind == "BigTIFF")  # 42 is TIFF's number, 43 BigTIFF's
    if kind != "nan":
        np.testing.assert_array_equal(scene.valid(), valid)
    for window in WINDOWS:
        np.testing.assert_array_equal(scene.read(window), plain[window.slices])


def test_cloud_optimized_bigtiff_and_overviews(tmp_path):
    pixels = random_pixels(height=600, width=700)
    with rasterio.open(
        tmp_path / "cog.tif",
        "w",
        driver="COG",
        height=600,
        width=700,
        count=3,
        dtype="uint8",
        bigtiff="YES",
        compress="deflate",
        blocksize=128,
    ) as out:
        out.write(pixels.transpose(2, 0, 1))
    scene = open_scene(tmp_path / "cog.tif")
    np.testing.assert_array_equal(scene.read(Window(100, 200, 333, 77)), pixels[100:433, 200:277])
    small = scene.read(out_shape=(60, 70))
    assert small.shape == (60, 70, 3) and abs(small.mean() - pixels.mean()) < 1


def test_hdf5_images_in_both_channel_orders_and_stacks(tmp_path):
    pixels = random_pixels("float32", 14, 20, 24)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["img"] = pixels
        file["first"] = pixels.transpose(2, 0, 1)
        file["stack"] = np.stack([pixels, pixels + 1])
        file["mask"] = np.zeros((20, 24), np.uint8)
    scene = open_scene(tmp_path / "a.h5")
    assert (scene.height, scene.width, scene.bands) == (20, 24, 14)
    window = Window(2, 3, 9, 8)
    np.testing.assert_array_equal(scene.read(window, (4, 3, 2)), pixels[window.slices][..., [3, 2, 1]])
    np.testing.assert_array_equal(open_scene(tmp_path / "a.h5", hdf5_name="first").read(window), pixels[window.slices])
    np.testing.assert_array_equal(open_scene(tmp_path / "a.h5", hdf5_name="stack").read(window), pixels[window.slices])
    assert open_scene(tmp_path / "a.h5", hdf5_name="mask").bands == 1
    with pytest.raises(SceneError, match="no data set 'nothing'"):
        open_scene(tmp_path / "a.h5", hdf5_name="nothing")


def test_arrays_and_decimated_reads():
    array = np.arange(24, dtype=np.float32).reshape(4, 6)
    scene = scene_of_array(array)
    # mean of 0, 1, 6, 7 = 3.5, and so on
    assert scene.read(out_shape=(2, 3))[..., 0].tolist() == [[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]]
    assert set(scene.read(out_shape=(2, 3), categorical=True).ravel().tolist()) <= set(array.ravel().tolist())


def test_bad_requests_say_what_was_found_and_what_to_do(tmp_path):
    (tmp_path / "text.txt").write_text("no image")
    with pytest.raises(SceneError, match="text.txt is no image that can be opened. Expected GeoTIFF"):
        open_scene(tmp_path / "text.txt")
    with pytest.raises(SceneError, match="nothing at"):
        open_scene(tmp_path / "missing.tif")
    (tmp_path / "broken.h5").write_text("no hdf5")
    with pytest.raises(SceneError, match="no HDF5 file"):
        open_scene(tmp_path / "broken.h5")
    scene = scene_of_array(random_pixels())
    for window in (Window(0, 0, 34, 1), Window(-1, 0, 2, 2), Window(0, 0, 0, 5)):
        with pytest.raises(SceneError, match="inside its 33 x 41"):
            scene.read(window)
    for bands in ((0,), (4,), ()):
        with pytest.raises(SceneError, match="numbers from 1 to 3"):
            scene.read(bands=bands)


def test_windows_cover_a_scene_once():
    seen = np.zeros((33, 41), int)
    for window in windows_of(33, 41, 8):
        seen[window.slices] += 1
    assert (seen == 1).all()
    assert Window(0, 0, 5, 5).intersect(Window(3, 4, 9, 9)) == Window(3, 4, 2, 1)
    assert Window(0, 0, 5, 5).intersect(Window(5, 0, 2, 2)).pixels == 0


def test_display_stretches_what_is_not_a_picture():
    values = np.linspace(0, 1000, 100, dtype=np.float32).reshape(10, 10)
    picture = display_rgb(scene_of_array(values), percentiles=(0, 100))
    assert picture.dtype == np.uint8 and picture.shape == (10, 10, 3)
    assert picture.min() == 0 and picture.max() == 255
    assert default_rgb(scene_of_array(random_pixels(bands=12))) == (4, 3, 2)


def test_a_stretch_by_hand():
    pixels = np.array([[[0.0], [10.0], [15.0], [20.0], [30.0], [np.nan]]])
    # 10 is black and 20 white; 15 lies half way, 127.5 rounded up
    assert stretch(pixels, (np.array([10]), np.array([20])))[0, :, 0].tolist() == [0, 0, 128, 255, 255, 0]


def test_the_digest_follows_the_content(tmp_path):
    pixels = random_pixels()
    before = open_scene(write_tiff(tmp_path / "a.tif", pixels)).digest
    pixels[0, 0, 0] += 1
    after = open_scene(write_tiff(tmp_path / "b.tif", pixels)).digest
    assert before != after
    assert scene_of_array(pixels).digest != scene_of_array(pixels + 1).digest
