"""Real work in real processes: training that is killed, resumed and stopped, and a prediction with what it left."""

from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from core.classes import DUBAI
from core.jobs.jobs import start
from core.model_store.models import find_model

SETTINGS = {"epochs": 5000, "patience": 0, "batch_size": 2, "filters": [4, 8], "augment": False, "loss": "cross_entropy"}


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two images of 64 x 64 whose upper half is Water and whose lower half is Land."""
    ids = np.full((64, 64), DUBAI.names.index("Land"), np.uint8)
    ids[:32] = DUBAI.names.index("Water")
    for part, suffix in (("images", "jpg"), ("masks", "png")):
        (tmp_path / "data" / part).mkdir(parents=True)
        for name in ("a", "b"):
            Image.fromarray(DUBAI.decode(ids)).save(tmp_path / "data" / part / f"{name}.{suffix}")
    return tmp_path / "data"


def test_an_audit_is_a_job_too(workspace, wait_for, dataset):
    job = start("audit", {"dataset": dataset}, workspace=workspace)
    wait_for(job, "finished")
    assert job.result()["pairs"] == 2


def test_a_data_set_without_pairs_fails_in_one_line(workspace, wait_for, tmp_path):
    (tmp_path / "empty").mkdir()
    job = start("audit", {"dataset": tmp_path / "empty"}, workspace=workspace)
    error = wait_for(job, "failed")["error"]
    assert "Expected" in error and "Traceback" not in error and "\n" not in error


def test_training_goes_on_after_its_last_epoch_when_killed_and_leaves_its_best_when_stopped(workspace, wait_for, dataset):
    prepared = start("prepare", {"dataset": dataset, "patch_size": 32, "validation": 0.5}, workspace=workspace)
    wait_for(prepared, "finished")
    store = prepared.result()["folder"]
    assert Path(store).parent == workspace.prepared

    job = start("train", {"prepared": store, "settings": SETTINGS}, workspace=workspace, title="Tiny")
    status = wait_for(job, lambda _: len(job.events("epoch")) >= 3, 300)
    worker = psutil.Process(status["pid"])
    worker.kill()
    worker.wait(10)
    assert job.status()["state"] == "died"
    before = [event["epoch"] for event in job.events("epoch")]

    job.resume()
    wait_for(job, lambda _: len(job.events("epoch")) >= len(before) + 3, 300)
    job.pause()
    held = wait_for(job, "paused")
    assert held["total"] > held["done"] > 0
    job.stop()
    status = wait_for(job, "stopped")
    assert status["error"] is None

    # An epoch is kept before it is told of: the last one of a killed worker may lack its event, but none is run twice.
    epochs = [event["epoch"] for event in job.events("epoch")]
    assert epochs == sorted(set(epochs)) and epochs[-1] - len(epochs) <= 1
    assert epochs[len(before)] - before[-1] in (1, 2)
    result = job.result()
    assert result["stopped"] and result["epochs"] == epochs[-1]
    model = find_model(result["folder"])
    assert model.folder.parent == workspace.models and model.card.scheme.names == DUBAI.names

    request = {"model": model.folder.name, "scene": dataset / "images" / "a.jpg", "engine": "tensorflow"}
    predicted = start("predict", request, workspace=workspace)
    wait_for(predicted, "finished", 300)
    assert Path(predicted.result()["folder"]).parent == workspace.predictions
    drawn = start("vectorize", {"prediction": predicted.result()["folder"]}, workspace=workspace)
    wait_for(drawn, "finished", 300)
    (written,) = drawn.result()["files"]
    assert drawn.name.endswith("-vectorize-predict-a") and Path(written["path"]).name == "predict-a.gpkg"
    assert Path(written["path"]).parent.parent == workspace.layers and written["features"] == drawn.result()["polygons"] > 0
