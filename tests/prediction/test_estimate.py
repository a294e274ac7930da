"""Estimates: the right number of patches, and bounds that the real run keeps."""

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from core.errors import SceneError, SettingsError
from core.geo import GeoRef
from core.prediction.estimate import disk_bytes, estimate
from core.prediction.predict import predict
from core.scenes.opening import scene_of_array
from core.scenes.scene import Window
from tests.helpers.standins import make_engine, make_model


@pytest.mark.parametrize("settings", [{}, {"memory": "64MiB"}, {"overlap": 0.25}, {"window": Window(3, 5, 150, 240)}])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_the_patches_counted_are_those_that_run(tmp_path, settings, scale):
    model = make_model(tmp_path / "model", scale=scale)
    image = np.random.default_rng(0).integers(1, 255, (200, 260, 3), dtype=np.uint8)
    image[:90, 100:] = 0
    scene = scene_of_array(image, nodata=0)
    found = estimate(model, scene, engine=make_engine(model), **settings)
    done = predict(model, scene, tmp_path / "out", engine=make_engine(model), **settings)
    # Beside a gap, a resized run also takes the patches that only touch a valid pixel.
    assert found.windows == done.windows if scale == 1 else 0.8 * done.windows <= found.windows <= done.windows
    assert found.engine == "stand-in" and found.seconds > found.model_seconds > 0
    assert [warning["code"] for warning in found.warnings] == []
    assert found.area_km2 is None and found.cores >= 1


def test_the_ground_is_that_of_the_window(tmp_path):
    model = make_model(tmp_path / "model")
    place = GeoRef(Affine(0.5, 0, 325000, 0, -0.5, 2786000), CRS.from_epsg(32640))
    scene = scene_of_array(np.full((200, 400, 3), 9, np.uint8), geo=place)
    # 200 x 400 pixels of a quarter of a square metre are 0.02 km2; the CRS stretches by less than 0.1 %.
    assert estimate(model, scene, engine=make_engine(model)).area_km2 == pytest.approx(0.02, rel=2e-3)
    assert estimate(model, scene, engine=make_engine(model), window=Window(0, 0, 100, 400)).area_km2 == pytest.approx(0.01, rel=2e-3)


def test_disk_follows_from_the_bytes():
    # 1000 pixels, 5 classes: (5 + 4) bytes and a third more for overviews = 12,000 before there is any file; with the last file
    # (5 + 1) bytes and a third more = 8,000, and all files: 0.8 x 5 + 2.1 = 6.1 compressed bytes each, or as told.
    assert disk_bytes(1000, 5) == (14_100, 6_100)
    assert disk_bytes(1000, 5, 2.5) == (12_000, 2_500)


@pytest.mark.parametrize("sure", [True, False])
def test_the_result_is_as_large_as_the_probes_say(tmp_path, sure):
    """A network that is sure leaves next to nothing to keep, one that follows grain in the scene a lot."""
    model = make_model(tmp_path / "model")
    scene = scene_of_array(np.random.default_rng(0).integers(0, 255, (400, 500, 3), dtype=np.uint8))

    def network(patches):
        scores = np.stack([np.full(patches.shape[:3], 8.0)] + [patches[..., 0] * (0 if sure else 4)] * 2, axis=-1)
        return (scores / scores.sum(axis=-1, keepdims=True)).astype(np.float32)

    engine = make_engine(model, network)
    told = estimate(model, scene, engine=engine).result_mib
    predict(model, scene, tmp_path / "out", engine=engine)
    took = sum(file.stat().st_size for file in (tmp_path / "out").glob("*.tif")) / 2**20
    # Blending cannot smooth what is answered pixel by pixel: the overviews come on top, and 3/4 is told.
    assert max(told, took) < 0.05 if sure else 0.65 < told / took < 1.05


def test_a_request_that_cannot_work_is_refused_before_it_is_estimated(tmp_path):
    model = make_model(tmp_path / "model")
    scene = scene_of_array(np.zeros((50, 50, 3), np.uint8))
    with pytest.raises(SettingsError):
        estimate(model, scene, engine=make_engine(model), overlap=2)
    with pytest.raises(SceneError):
        estimate(model, scene_of_array(np.zeros((50, 50), np.uint8)), engine=make_engine(model))
