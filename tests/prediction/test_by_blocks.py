"""A scene by blocks: bit for bit what one process makes of it, on real workers, one of which is killed."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import signal
import threading
import time

import numpy as np
import pytest
import rasterio

from core.cluster.where import Where
from core.errors import Cancelled, SceneError
from core.evaluation.evaluate import evaluate
from core.files import unfinished_place, write_json
from core.model_store.models import find_model
from core.prediction import by_blocks
from core.prediction.batch import find_scenes, predict_batch
from core.prediction.blend.plans import plan_blend
from core.prediction.by_blocks import blocks_of
from core.prediction.folder.rasters import Prediction
from core.prediction.predict import predict
from core.scenes.opening import open_scene, scene_of_array
from core.scenes.scene import Window
from tests.helpers.dask_processes import Processes
from tests.helpers.standins import make_engine, make_model

RASTERS = ("labels.tif", "probabilities.tif", "confidence.tif", "margin.tif")


def write_scene(path, height, width, seed=0):
    """Rough pixels with a hole of nodata, so that patches are left out and weighed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(1, 255, (-(-height // 8), -(-width // 8), 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)[:height, :width]
    image = np.clip(coarse.astype(int) + rng.integers(-30, 30, coarse.shape), 1, 255).astype(np.uint8)
    image[height // 3 : height // 2, width // 4 : width // 2] = 0
    profile = dict(driver="GTiff", height=height, width=width, count=3, dtype="uint8", nodata=0, crs="EPSG:32640")
    with rasterio.open(path, "w", **profile, transform=rasterio.Affine(0.3, 0, 325000, 0, -0.3, 2788000)) as file:
        file.write(image.transpose(2, 0, 1))
    return path


@pytest.mark.parametrize("seed", range(30))
def test_blocks_cover_the_region_once_whatever_its_size(seed):
    rng = np.random.default_rng(seed)
    height, width, patch = (int(rng.integers(low, high)) for low, high in ((40, 900), (40, 900), (32, 97)))
    region = Window(int(rng.integers(0, height // 2)), int(rng.integers(0, width // 2)), height // 2, width // 2)
    plans = [
        plan_blend(
            height,
            width,
            patch_size=patch,
            overlap=float(rng.choice([0, 0.25, 0.5, 0.75])),
            scale=scale,
            strip_width=3 * patch,
            region=region,
        )
        for scale in (1.0, 0.7)
    ]
    workers = int(rng.integers(1, 9))
    blocks = blocks_of(plans, workers)
    count = np.zeros((height, width), int)
    for block in blocks:
        count[block.slices] += 1
    assert (count[region.slices] == 1).all() and count.sum() == region.pixels


def test_workers_get_as_many_blocks_as_each_other():
    plan = plan_blend(4000, 4000, patch_size=256)
    # 32 rows of patches between 31 starts inside: two blocks of 16 for two workers, four of 8 for four, three of about 11 for three.
    assert [len(blocks_of([plan], workers)) for workers in (1, 2, 3, 4)] == [2, 2, 3, 4]
    assert {block.width for block in blocks_of([plan], 4)} == {4000}
    # 16 workers would leave two rows each, of which one is done twice: there are blocks of three rows and more.
    assert len(blocks_of([plan], 16)) == 10


@pytest.mark.parametrize(
    "settings", [{}, {"scales": (0.75, 1.0)}, {"symmetries": 8}, {"window": Window(13, 40, 150, 120)}, {"stretched": True}]
)
def test_blocks_in_this_process_are_the_whole(tmp_path, monkeypatch, settings):
    """What a worker does, block after block, against one pass over the scene."""
    stretched, settings = settings.get("stretched"), {k: v for k, v in settings.items() if k != "stretched"}
    rule = {"normalisation": {"kind": "image", "low": 2.0, "high": 98.0}} if stretched else {}
    model, scene = make_model(tmp_path / "model", **rule), open_scene(write_scene(tmp_path / "scene.tif", 210, 190))
    monkeypatch.setattr(by_blocks, "kept_engine", lambda *a: make_engine(model))

    def here(where, job, function, tasks, *, on_done, **_):
        made = tasks(3)
        assert len(made) == 3
        for task in reversed(made):
            function(*task.arguments)
            on_done(task)
        return by_blocks.Driven(workers=3)

    monkeypatch.setattr(by_blocks, "drive", here)
    common = dict(engine=make_engine(model), memory="8GiB", **settings)
    one = predict(model, scene, tmp_path / "one", **common)
    many = predict(model, scene, tmp_path / "many", cluster="local:3", **common)
    for name in RASTERS:
        assert filecmp.cmp(tmp_path / "one" / name, tmp_path / "many" / name, shallow=False), name
    assert many.windows >= one.windows and many.seam_score == pytest.approx(one.seam_score, rel=0.2)
    first, second = (json.loads((tmp_path / name / "prediction.json").read_text()) for name in ("one", "many"))
    assert first["key"] == second["key"] and second["workers"] == 3 and not unfinished_place(tmp_path / "many").exists()


def test_a_scene_that_is_no_file_is_refused(tmp_path):
    model = make_model(tmp_path / "model")
    with pytest.raises(SceneError, match="no file"):
        predict(model, scene_of_array(np.ones((64, 64, 3), np.uint8)), tmp_path / "out", engine=make_engine(model), cluster="local")
    assert not (tmp_path / "out").exists()


def test_workers_make_the_same_files_though_one_is_killed_and_a_run_is_taken_up(tmp_path, monkeypatch):
    """Real processes and a real network: the sample's, in eight bits, which needs no conversion."""
    scene = write_scene(tmp_path / "scene.tif", 1500, 700)
    model = find_model("sample-town")
    settings = dict(engine="fast", memory="8GiB")
    predict(model, scene, tmp_path / "one", **settings)
    dask = Processes(tmp_path)
    try:
        dask.wait(2)
        place = unfinished_place(tmp_path / "many") / by_blocks.BLOCKS
        pid = {process.pid for process in dask.workers}

        def kill_one():
            until = time.monotonic() + 60
            while not _in_hand(place):
                assert time.monotonic() < until
                time.sleep(0.01)
            os.kill(pid.pop(), signal.SIGKILL)

        thread = threading.Thread(target=kill_one, daemon=True)
        thread.start()
        many = predict(model, scene, tmp_path / "many", cluster=dask.address, **settings)
        thread.join()
        assert many.driven.done >= 2 and len(pid) == 1
        # Stopped at the first block that has come: nothing is left, also no block that a worker has in hand.
        with pytest.raises(Cancelled):
            predict(model, scene, tmp_path / "gone", cluster=Where(dask.address), should_stop=_when_there(tmp_path / "gone"), **settings)
        assert not unfinished_place(tmp_path / "gone").exists() and not (tmp_path / "gone").exists()
        # Many scenes: each goes to one worker, a broken one becomes a row, and what is finished is kept the next time.
        scenes = tmp_path / "scenes"
        scenes.mkdir()
        small = [write_scene(scenes / f"{name}.tif", 300, 260, seed) for seed, name in enumerate("ab")]
        (scenes / "broken.png").write_bytes(b"no picture")
        dask.start_worker()
        batch = predict_batch(model, find_scenes(scenes), tmp_path / "batch", cluster=dask.address, **settings)
        assert [row["state"] for row in batch.rows] == ["done", "done", "failed"] and batch.driven.done == 3
        assert [row["scene"] for row in batch.rows] == [str(path) for path in (*small, scenes / "broken.png")]
        made = [(tmp_path / "batch" / name / "labels.tif").stat().st_mtime_ns for name in "ab"]
        monkeypatch.chdir(scenes)
        again = predict_batch(model, find_scenes("."), "../batch", cluster=dask.address, **settings)
        assert [row["windows"] for row in again.rows] == [row["windows"] for row in batch.rows]
        assert [(tmp_path / "batch" / name / "labels.tif").stat().st_mtime_ns for name in "ab"] == made
        assert {path.name for path in (tmp_path / "batch").iterdir()} == {"a", "b", "results.csv", "results.json"}
        labelled = _labelled(tmp_path / "labelled", small, tmp_path / "batch")
        monkeypatch.chdir(tmp_path)  # what is told from here, workers elsewhere have to find
        scored = [evaluate(model, labelled.name, cluster=place, pictures=0, **settings).summary() for place in (None, dask.address)]
        assert scored[0] == scored[1] and scored[0]["pixels"] > 100_000
    finally:
        dask.stop()
    for name in RASTERS:
        assert filecmp.cmp(tmp_path / "one" / name, tmp_path / "many" / name, shallow=False), name
    predict(model, small[1], tmp_path / "alone", **settings)
    assert filecmp.cmp(tmp_path / "alone" / "probabilities.tif", tmp_path / "batch" / "b" / "probabilities.tif", shallow=False)


def _labelled(folder, scenes, predictions):
    """A data set of these scenes, labelled by what was predicted of them, so that there is something to count."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for scene in scenes:
        shutil.copyfile(scene, folder / "images" / scene.name)
        shutil.copyfile(predictions / scene.stem / "labels.tif", folder / "masks" / scene.name)
    write_json(folder / "classes.json", Prediction.open(predictions / scenes[0].stem).scheme.to_dict())
    return folder


def _when_there(folder):
    place = unfinished_place(folder) / by_blocks.BLOCKS
    return lambda: _in_hand(place)


def _in_hand(place):
    """Whether a worker has begun a block: the folder that it makes it in is there."""
    return place.is_dir() and any(entry.is_dir() for entry in place.iterdir())
