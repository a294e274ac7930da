"""Scores of whole scenes: counted right, on the right part, with what must be said about them."""

from dataclasses import replace

import numpy as np
import pytest

from core.classes import ClassScheme
from core.cluster.driving import Driven
from core.confusion import Confusion
from core.datasets.datasets import Dataset
from core.datasets.masks.encodings import IDS
from core.datasets.pairs import Pair
from core.errors import InputError, SettingsError
from core.evaluation import spreading
from core.evaluation.evaluate import evaluate
from core.patches.prepare import prepare
from core.scenes.opening import scene_of_array
from tests.evaluation.conftest import make_dataset
from tests.helpers.standins import SCHEME, make_engine, make_model


def dataset(tmp_path, *, scheme=SCHEME, groups=("a", "a", "b")):
    """Scenes of 40 x 50 pixels in three grey stripes; each mask has one wrong row of stripe 0 and one unlabelled column."""
    grey = np.zeros((40, 50), np.uint8)
    grey[:, 20:] = 128
    grey[:, 35:] = 255
    ids = np.repeat(np.array([0, 1, 2], np.uint8), (20, 15, 15))[None].repeat(40, axis=0)
    ids[0, :20] = 2
    ids[:, 49] = 255
    pairs = []
    for number, group in enumerate(groups):
        image, mask = scene_of_array(np.stack([grey] * 3, axis=-1)), scene_of_array(ids)
        pairs.append(
            Pair(f"{group}/{number}", tmp_path, tmp_path, group, IDS, image_opener=lambda s=image: s, mask_opener=lambda s=mask: s)
        )
    return Dataset(tmp_path, "stripes", tuple(pairs), scheme, (), "test", IDS)


def test_pixels_are_counted_scene_by_scene(tmp_path):
    model = make_model(tmp_path / "model")
    result = evaluate(model, dataset(tmp_path), engine=make_engine(model))
    # Of 40 x 50 pixels, 40 are unlabelled. Row 0 holds 20 dark pixels called bright. Dark 39 x 20, middle 40 x 15, bright 40 x 14.
    one = Confusion(np.array([[780, 0, 0], [0, 600, 0], [20, 0, 560]]), 40)
    assert set(result.per_scene) == {"a/0", "a/1", "b/2"}
    assert all(found == one for found in result.per_scene.values())
    assert result.confusion == one + one + one
    summary = result.summary()
    assert summary["pixels"] == 3 * 1960 and summary["ignored_pixels"] == 120
    assert summary["accuracy"] == pytest.approx(1940 / 1960)
    assert summary["classes"]["Bright"]["recall"] == pytest.approx(560 / 580)
    assert summary["scenes"]["b/2"]["accuracy"] == pytest.approx(1940 / 1960)


def test_parts_are_taken_from_the_models_split(tmp_path):
    split = {"how": "group", "groups": {"train": ["a"], "validation": ["b"], "test": []}}
    model = make_model(tmp_path / "model", split=split)
    engine, data = make_engine(model), dataset(tmp_path)
    validation = evaluate(model, data, scenes="validation", engine=engine)
    assert set(validation.per_scene) == {"b/2"} and validation.notes == ()
    assert set(evaluate(model, data, scenes="train", engine=engine).per_scene) == {"a/0", "a/1"}
    assert "3 of the 3 scenes" in evaluate(model, data, engine=engine).notes[0]
    with pytest.raises(InputError, match="test part"):
        evaluate(model, data, scenes="test", engine=engine)
    with pytest.raises(SettingsError):
        evaluate(model, data, scenes="some", engine=engine)


def test_a_split_within_scenes_is_said(tmp_path):
    split = {"how": "block", "groups": {"train": ["a", "b"], "validation": ["a", "b"]}, "pairs": {"train": ["a/0"], "validation": ["a/0"]}}
    model = make_model(tmp_path / "model", split=split)
    result = evaluate(model, dataset(tmp_path), scenes="validation", engine=make_engine(model))
    assert set(result.per_scene) == {"a/0"} and "by blocks" in result.notes[0]


def test_a_random_split_is_scored_on_the_patches_it_held_back(tmp_path):
    """Scenes of 40 x 50 pixels at half scale: patches of 8 in the store are squares of 16 in the scene."""
    data = dataset(tmp_path)
    store = prepare(data, tmp_path / "patches", patch_size=8, stride=8, split="random", validation=0.3, seed=1, scale=0.5)
    model = make_model(tmp_path / "model", split=store.split_info)
    engine = make_engine(model)
    found = {part: evaluate(model, data, scenes=part, patches=store, engine=engine) for part in ("train", "validation")}
    held_back = Confusion.empty(3)
    whole = evaluate(model, data, engine=engine).confusion
    for pair in data.pairs:
        chosen = np.zeros((40, 50), bool)
        for place in store.rows("validation"):
            patch = store.index[place]
            if patch["pair"] == pair.name:
                chosen[2 * patch["row"] : 2 * patch["row"] + 16, 2 * patch["col"] : 2 * patch["col"] + 16] = True
        truth = np.where(chosen, pair.labels(SCHEME), 255)
        held_back = held_back.add(truth, np.repeat(np.array([0, 1, 2]), (20, 15, 15))[None].repeat(40, axis=0))
    np.testing.assert_array_equal(found["validation"].confusion.counts, held_back.counts)
    assert 0 < held_back.pixels < found["train"].confusion.pixels < whole.pixels
    assert "by random patches" in found["validation"].notes[0] and "Only pixels inside validation patches" in found["validation"].notes[1]
    for wrong in ({"scenes": "all"}, {"scenes": "test"}):
        with pytest.raises(InputError):
            evaluate(model, data, patches=store, engine=engine, **wrong)


def test_classes_are_matched_by_name(tmp_path):
    model = make_model(tmp_path / "model")
    # The masks' ids 0, 1, 2 now mean bright, middle and a class that the model never saw.
    other = ClassScheme(("bright", "Middle", "Swamp"), ((1, 1, 1), (2, 2, 2), (3, 3, 3)))
    result = evaluate(model, dataset(tmp_path, scheme=other, groups=("a",)), engine=make_engine(model))
    np.testing.assert_array_equal(result.confusion.counts, [[0, 0, 0], [0, 600, 0], [780, 0, 0]])
    assert "Swamp" in result.notes[0]
    with pytest.raises(InputError, match="classes"):
        stranger = replace(other, names=("x", "y", "z"))
        evaluate(model, dataset(tmp_path, scheme=stranger), engine=make_engine(model))


def test_images_without_masks_are_no_test(tmp_path):
    model = make_model(tmp_path / "model")
    bare = replace(dataset(tmp_path), pairs=())
    with pytest.raises(InputError, match="no masks"):
        evaluate(model, bare, engine=make_engine(model))


def test_scenes_measured_by_workers_in_any_order_give_the_same_evaluation(tmp_path, monkeypatch):
    """What workers do, the last scene first, here: scores, samples, ranked patches and label errors are those of one process."""
    model = make_model(tmp_path / "model")
    engine, data = make_engine(model), make_dataset(tmp_path)
    heard = []

    def here(where, job, function, tasks, *, on_done, on_progress, **_):
        for number, task in enumerate(sorted(tasks(2), key=lambda task: task.name, reverse=True)):
            function(*task.arguments)
            on_done(task)
            on_progress(number + 1, 6, "Predicting")
        return Driven()

    monkeypatch.setattr(spreading, "drive", here)
    monkeypatch.setattr(spreading, "kept_engine", lambda *a: engine)
    common = dict(engine=engine, patch_px=32, polygons=("Bright",), memory="8GiB")
    one = evaluate(model, data, folder=tmp_path / "one", **common)
    many = evaluate(model, data, folder=tmp_path / "many", cluster="local", on_progress=lambda *told: heard.append(told), **common)
    assert many.summary() == one.summary()
    # NaN is equal to itself in its words alone.
    assert repr(many.patches).replace("many", "one") == repr(one.patches) and repr(many.calibration) == repr(one.calibration)
    np.testing.assert_array_equal(many.histogram, one.histogram)
    np.testing.assert_array_equal(many.confidences, one.confidences)
    assert many.label_errors == one.label_errors
    files = [sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) for folder in (tmp_path / "one", tmp_path / "many")]
    assert files[0] == files[1]
    assert [done for done, _, _ in heard] == sorted(done for done, _, _ in heard) and heard[-1][0] == heard[-1][1]
