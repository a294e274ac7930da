import io

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

from core.classes import DUBAI
from core.datasets.pairs import Pair, cut_pair
from core.prediction.folder import origin
from core.prediction.folder.rasters import Prediction
from core.scenes import cutting
from core.scenes.opening import scene_of_array
from core.scenes.scene import Window
from tests.helpers.predicted import predicted
from ui.predict import downloads
from ui.viewer.viewer import ViewerState

PLACE = Affine(0.5, 0, 1000, 0, -0.25, 2000)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture(scope="module")
def prediction(tmp_path_factory):
    """A prediction of noise, so that some pixels are sure and others not."""
    path = tmp_path_factory.mktemp("scene") / "noise.tif"
    pixels = np.random.default_rng(5).integers(0, 255, (3, 90, 110)).astype(np.uint8)
    profile = dict(driver="GTiff", height=90, width=110, count=3, dtype="uint8", crs="EPSG:32640", transform=PLACE)
    with rasterio.open(path, "w", **profile) as out:
        out.write(pixels)
    return Prediction.open(predicted(path, path.parent / "prediction", blur_px=3))


@pytest.mark.parametrize("unsure", ["hide", "neighbour"])
def test_picture_and_raster_hold_what_the_viewer_shows(prediction, unsure):
    seen = ViewerState(0.7, 0.6, unsure=unsure)
    expected = prediction.labels(threshold=0.7, unsure=unsure)
    assert (expected != prediction.labels()).any()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(downloads.label_png(prediction, seen)))), expected)
    with rasterio.MemoryFile(downloads.labels_tiff(prediction, seen)) as file, file.open() as raster:
        assert np.array_equal(raster.read(1), expected) and raster.transform == PLACE


def test_a_large_picture_is_thinned_and_its_world_file_follows(prediction, monkeypatch):
    monkeypatch.setattr(downloads, "_PICTURE_PX", 40)
    monkeypatch.setattr(downloads, "_STEP_PX", 30)
    assert downloads.thinned(prediction) == 3
    picture = np.asarray(Image.open(io.BytesIO(downloads.label_png(prediction, ViewerState(0.0, 0.6)))))
    assert np.array_equal(picture, prediction.labels()[1::3, 1::3][:30, :36])
    # Three pixels of 0.5 and 0.25 m; the middle of the first square of three lies 1.5 pixels from the corner.
    assert [float(line) for line in downloads.world_file(prediction).split()] == [1.5, 0, 0, -0.75, 1000.75, 1999.625]


def test_a_part_of_a_scene_reads_like_the_whole_there(rng):
    pixels = rng.integers(0, 255, (40, 50, 3)).astype(np.uint8)
    scene = scene_of_array(pixels)
    window = Window(7, 9, 20, 30)
    part = cutting.cut(scene, window)
    assert part.shape == (20, 30) and np.array_equal(part.read(), pixels[7:27, 9:39])
    assert np.array_equal(part.read(Window(2, 3, 4, 5), [2]), pixels[9:13, 12:17, 1:2])
    assert part.geo.xy(0, 0) == scene.geo.xy(7, 9)
    assert part.digest != scene.digest and cutting.cut(scene, scene.window) is scene


def test_a_region_is_shown_on_its_own_pixels_and_masks(tmp_path, rng):
    pixels, ids = rng.integers(0, 255, (150, 140, 3)).astype(np.uint8), rng.integers(0, 5, (150, 140)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(DUBAI.decode(ids)).save(tmp_path / "mask.png")
    window = Window(30, 20, 100, 90)
    made = Prediction.open(predicted(tmp_path / "a.png", tmp_path / "out", window=window))
    assert np.array_equal(origin.pictured(made).read(), pixels[window.slices])
    assert origin.source_scene(made) is None  # other pages show whole scenes only
    cut = cut_pair(Pair("a", tmp_path / "a.png", tmp_path / "mask.png", "place"), window)
    assert cut.shape == (100, 90) and np.array_equal(cut.labels(DUBAI), ids[window.slices])
