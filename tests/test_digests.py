"""A source that changes while it is read is found out before anything is written, by every verb that takes minutes."""

import os

import numpy as np
import pytest

from core.datasets.datasets import open_dataset
from core.digests import steady, steady_files
from core.errors import InputError
from core.patches.prepare import prepare
from core.prediction.predict import predict
from core.scenes.opening import open_scene
from core.vector.vectorize import vectorize
from tests.helpers.datasets import save
from tests.helpers.standins import make_engine, make_model

CHANGED = "changed while it was read. Expected files that nobody writes to meanwhile"


def picture(seed, *shape):
    return np.random.default_rng(seed).integers(1, 255, shape, dtype=np.uint8)


def test_size_time_and_bytes_of_a_file_count(tmp_path):
    file, other = tmp_path / "a.bin", tmp_path / "b.bin"
    file.write_bytes(bytes(300_000))
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    refuse_changed = steady_files([file, other])
    refuse_changed()
    os.utime(file, ns=(times[0], times[1] + 1))
    with pytest.raises(InputError, match=f"{file} changed"):
        refuse_changed()
    os.utime(file, ns=times)
    refuse_changed()
    with file.open("r+b") as opened:  # as large as before, and its time set back
        opened.seek(150_000)
        opened.write(b"\1")
    os.utime(file, ns=times)
    with pytest.raises(InputError, match=f"{file} changed"):
        refuse_changed()


def test_what_goes_away_or_comes_has_changed(tmp_path):
    there, missing = tmp_path / "there", tmp_path / "missing"
    there.touch()
    refuse_changed = steady_files([there, missing])
    there.unlink()
    with pytest.raises(InputError, match=f"{there} changed"):
        refuse_changed()
    refuse_changed = steady_files([missing])
    missing.touch()
    with pytest.raises(InputError, match=f"{missing} changed"):
        refuse_changed()
    answers = iter(["same", "same", "other"])
    refuse_changed = steady({"it": lambda: next(answers)})
    refuse_changed()
    with pytest.raises(InputError, match="^it changed"):
        refuse_changed()


class Meddler:
    """Hears of progress, and once, in the middle of it, writes a file anew."""

    def __init__(self, change):
        self.change, self.heard = change, 0

    def __call__(self, done, total, message):
        self.heard += 1
        if self.heard == 4:
            self.change()


def replaced(path, pixels):
    """Another picture under the same name from one moment to the next: readers beside it never see half a file."""
    os.replace(save(path.with_name(f"new-{path.name}"), pixels), path)


def test_a_scene_that_is_replaced_gives_no_prediction(tmp_path):
    scene = save(tmp_path / "scene.tif", picture(0, 90, 80, 3))
    model = make_model(tmp_path / "model")
    meddler = Meddler(lambda: replaced(scene, picture(1, 90, 80, 3)))
    with pytest.raises(InputError, match=f"scene {CHANGED}"):
        predict(model, scene, tmp_path / "out", engine=make_engine(model), memory="8GiB", on_progress=meddler)
    assert {path.name for path in tmp_path.iterdir()} == {"scene.tif", "model"}  # nor a start for the next run


def test_a_file_behind_a_virtual_scene_counts(tmp_path):
    import rasterio.shutil

    save(tmp_path / "real.tif", picture(0, 40, 40, 3))
    rasterio.shutil.copy(tmp_path / "real.tif", tmp_path / "seen.vrt", driver="VRT")
    scene = open_scene(tmp_path / "seen.vrt")
    before = scene.digest
    assert scene.digest == before
    save(tmp_path / "real.tif", picture(1, 40, 40, 3))
    assert scene.digest != before


@pytest.mark.parametrize("part", ["images", "masks"])
def test_an_image_or_mask_that_is_replaced_gives_no_patches(tmp_path, part):
    for name in ("a", "b"):
        save(tmp_path / f"data/images/{name}.tif", picture(0, 64, 64, 3))
        save(tmp_path / f"data/masks/{name}.tif", (picture(2, 64, 64) > 99).astype(np.uint8))
    dataset = open_dataset(tmp_path / "data")
    changed = tmp_path / "data" / part / "a.tif"
    meddler = Meddler(lambda: replaced(changed, (picture(7, 64, 64, 3) if part == "images" else picture(7, 64, 64) // 200)))
    with pytest.raises(InputError, match=f"a.tif {CHANGED}"):
        prepare(dataset, tmp_path / "out", patch_size=32, validation=0.5, on_progress=meddler)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_labels_that_are_replaced_give_no_polygons(tmp_path):
    labels = save(tmp_path / "labels.tif", picture(0, 60, 60) // 100)
    meddler = Meddler(lambda: replaced(labels, picture(1, 60, 60) // 100))
    with pytest.raises(InputError, match=f"labels {CHANGED}"):
        vectorize(labels, on_progress=meddler)
    assert meddler.heard > 4
