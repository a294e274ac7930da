import json
from dataclasses import replace

import numpy as np
import pytest

from core.confusion import Confusion
from core.errors import SettingsError
from core.model_store.models import find_model
from core.patches.class_view import ClassView
from core.training.settings import TrainSettings
from core.training.training import train
from tests.helpers import learning_fakes as fakes

SETTINGS = TrainSettings(epochs=2, batch_size=4, filters=(4, 8), learning_rate=1e-2, patience=0, augment=False, per_class=True)


@pytest.fixture(scope="module")
@fakes.untraced()
def run(tmp_path_factory):
    """A run that was stopped in its second network and then resumed to its end."""
    folder, store, heard = tmp_path_factory.mktemp("run") / "toy", fakes.store(size=16), []
    # An older run, which has nothing to do with the new one and is there until that is whole.
    train(store, folder, replace(SETTINGS, epochs=1, seed=7, learning_rate=1e-4))
    older = (folder / "model.keras").read_bytes()
    stopped = train(store, folder, SETTINGS, should_stop=lambda: len(heard) >= 3, on_epoch=heard.append)
    left = sorted(path.name for path in (folder.parent / ".toy.partial").iterdir())
    assert (folder / "model.keras").read_bytes() == older
    progress = []
    result = train(store, folder, SETTINGS, resume=True, on_epoch=heard.append, on_progress=lambda *what: progress.append(what))
    return store, folder, stopped, left, result, heard, progress


def test_a_view_knows_one_class_and_keeps_what_is_not_labelled():
    store = fakes.store(size=16)
    view = ClassView(store, 1)
    ids = store.masks[[0, 3]]
    assert np.array_equal(view.masks[[0, 3]] == 1, ids == 1) and np.array_equal(view.masks[[0, 3]] == 255, ids == 255)
    assert set(np.unique(view.masks[2]).tolist()) == {0, 1, 255}
    assert view.scheme.names == ("Not Roof", "Roof")
    assert view.counts["train"].tolist() == [np.sum(store.masks[:8] == 0) + np.sum(store.masks[:8] == 2), np.sum(store.masks[:8] == 1)]


def test_a_stopped_run_goes_on_with_the_class_it_was_at(run):
    _, folder, stopped, left, result, heard, progress = run
    assert stopped.stopped and left == [".newer", "classes"] and not result.stopped
    assert [(line["class"], line["epoch"]) for line in heard] == [(name, epoch) for name in ("Ground", "Roof", "Water") for epoch in (1, 2)]
    assert [path.name for path in folder.parent.iterdir()] == ["toy"] and not list(folder.glob(".*"))
    assert progress[-1][:2] == (3000, 3000) and [done for done, _, _ in progress] == sorted(done for done, _, _ in progress)
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert [(line["class"], line["loss"]) for line in lines] == [(line["class"], pytest.approx(line["loss"])) for line in heard]


def test_the_merged_model_is_an_ordinary_one_and_scores_what_its_card_says(run):
    store, folder, _, _, result, _, _ = run
    model = find_model(folder)
    assert model.card.scheme == store.scheme and any("3 networks" in note for note in model.card.notes)
    rows = store.rows("validation")
    values = model.card.normalise(store.images[rows])
    probabilities = np.asarray(model.keras_model()(values, training=False))
    assert probabilities.shape == (4, 16, 16, 3)
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
    scores = Confusion.empty(3).add(store.masks[rows], probabilities.argmax(-1))
    assert scores.mean_iou == pytest.approx(result.validation["mean_iou"])
    parts = [find_model(path).keras_model()(values, training=False)[..., 1] for path in sorted((folder / "classes").iterdir())]
    np.testing.assert_allclose(probabilities, np.stack(parts, -1) / np.sum(parts, 0)[..., None], atol=1e-5)


def test_the_merged_model_takes_another_patch_size(run):
    store, folder, *_ = run
    model = find_model(folder)
    rows = np.tile(model.card.normalise(store.images[:2]), (1, 2, 3, 1))
    wide = model.keras_model(height=32, width=48)(rows, training=False)
    folders = sorted((folder / "classes").iterdir())
    parts = [find_model(path).keras_model(height=32, width=48)(rows, training=False)[..., 1] for path in folders]
    np.testing.assert_allclose(wide, np.stack(parts, -1) / np.sum(parts, 0)[..., None], atol=1e-5)


def test_openvino_runs_it_too(run):
    from core.prediction.engines.engine import open_engine

    store, folder, *_ = run
    model = find_model(folder)
    values = store.images[:2]
    engine = open_engine(model, engine="openvino")
    wanted = model.keras_model()(model.card.normalise(values), training=False)
    np.testing.assert_allclose(engine(values), wanted, atol=1e-4)


def test_other_settings_are_no_resume(run):
    store, folder, *_ = run
    with pytest.raises(SettingsError, match="learning_rate"):
        train(store, folder, replace(SETTINGS, learning_rate=1e-4), resume=True)
