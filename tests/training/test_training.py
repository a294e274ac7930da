import json
import zipfile
from dataclasses import replace

import keras
import numpy as np
import pytest
from PIL import Image

from core.confusion import Confusion
from core.datasets.datasets import open_dataset
from core.errors import DatasetError, InputError, SettingsError
from core.model_store.cards import ModelCard, describe
from core.model_store.models import find_model, list_models
from core.model_store.normalisation import normalise
from core.networks import build
from core.patches.prepare import prepare
from core.training import losses
from core.training.checkpoints import NetworkFile, Place
from core.training.run import Run
from core.training.settings import TrainSettings
from core.training.training import train
from tests.helpers import learning_fakes as fakes
from tests.helpers.datasets import save

TINY = TrainSettings(epochs=2, batch_size=4, filters=(4, 8), learning_rate=5e-3, patience=0)


def history(folder):
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def weights_of(folder):
    return [layer for layer in keras.models.load_model(folder / "model.keras", compile=False).get_weights()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "toy"
    heard = {"progress": [], "epochs": [], "steps": []}
    store = fakes.store()
    result = train(
        store,
        folder,
        replace(TINY, epochs=3),
        on_progress=lambda *what: heard["progress"].append(what),
        on_epoch=heard["epochs"].append,
        on_steps=heard["steps"].append,
    )
    return store, folder, result, heard


def test_the_folder_holds_a_model_a_card_and_a_history(finished):
    _, folder, result, heard = finished
    assert {"card.json", "README.md", "model.keras", "history.jsonl", "last.npz", "previews"} <= {path.name for path in folder.iterdir()}
    lines = history(folder)
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    wanted = {"loss", "val_loss", "accuracy", "mean_iou", "val_mean_iou", "val_iou", "learning_rate", "seconds"}
    assert all(wanted <= set(line) for line in lines)
    assert set(lines[0]["val_iou"]) == {"Ground", "Roof", "Water"}
    assert [line["epoch"] for line in heard["epochs"]] == [1, 2, 3]
    assert result.epochs == 3 and not result.stopped and result.card.training["state"] == "finished"
    assert {"model", "epochs", "best_epoch", "validation"} <= set(result.summary())


def test_the_card_keeps_what_a_scene_is_compared_with(finished):
    store, folder, _, _ = finished
    kept = ModelCard.load(folder).training["statistics"]
    np.testing.assert_allclose(kept["mean"], store.statistics["mean"])
    np.testing.assert_allclose(kept["std"], store.statistics["std"])


def test_progress_counts_every_batch(finished):
    heard = finished[3]["progress"]
    assert [(done, total) for done, total, _ in heard] == [(i, 6) for i in range(1, 7)]  # 8 patches in batches of 4, 3 epochs


def test_the_curve_of_each_epoch_ends_at_its_loss(finished):
    heard = finished[3]
    assert [(told["epoch"], told["steps"], told["at"]) for told in heard["steps"]] == [
        (epoch, 2, list(range(1, step + 1))) for epoch in (1, 2, 3) for step in (1, 2)
    ]
    for told, line in zip(heard["steps"][1::2], heard["epochs"], strict=True):
        assert np.mean(told["loss"]) == pytest.approx(line["loss"], rel=1e-4)


def test_the_saved_model_is_the_best_epoch_and_scores_what_the_card_says(finished):
    store, folder, result, _ = finished
    lines = history(folder)
    best = max(lines, key=lambda line: line["val_mean_iou"])
    assert result.best_epoch == best["epoch"]
    assert result.validation["mean_iou"] == pytest.approx(best["val_mean_iou"])
    model = find_model(folder)
    rows = store.rows("validation")
    guess = np.asarray(model.keras_model()(model.card.normalise(store.images[rows]), training=False)).argmax(-1)
    scores = Confusion.empty(3).add(store.masks[rows], guess)
    assert scores.counts.tolist() == model.card.metrics["validation"]["confusion"]
    assert scores.mean_iou == pytest.approx(result.validation["mean_iou"])


@pytest.mark.parametrize("name", ["unet", "attention-unet"])
def test_the_file_of_an_epoch_is_what_keras_would_write(name, tmp_path):
    network = build(name, height=32, width=32, bands=3, classes=3, filters=(4, 8))
    first = [value.copy() for value in network.get_weights()]
    file = NetworkFile(network)
    assert file._whole and all(np.array_equal(old, new) for old, new in zip(first, network.get_weights(), strict=True))
    rng = np.random.default_rng(0)
    for _ in range(2):
        network.set_weights([rng.random(value.shape, np.float32) for value in first])
        file.write(tmp_path / "ours.keras")
    network.save(tmp_path / "keras.keras")
    ours, theirs = (zipfile.ZipFile(tmp_path / file) for file in ("ours.keras", "keras.keras"))
    assert ours.namelist() == theirs.namelist()
    for part in ("config.json", "model.weights.h5"):
        assert ours.read(part) == theirs.read(part)


def test_previews_show_the_same_patches_in_three_columns(finished):
    _, folder, _, _ = finished
    pictures = sorted((folder / "previews").iterdir())
    assert [path.name for path in pictures] == ["epoch_0001.png", "epoch_0002.png", "epoch_0003.png"]
    first, last = (np.asarray(Image.open(path)) for path in (pictures[0], pictures[-1]))
    assert first.shape == (4 * 32 + 3 * 4, 3 * 32 + 2 * 4, 3)
    assert np.array_equal(first[:, : 2 * 32 + 4], last[:, : 2 * 32 + 4])


def test_equal_seeds_give_equal_results_and_a_resumed_run_equals_an_unbroken_one(finished, tmp_path):
    store, folder, _, _ = finished
    train(store, tmp_path / "toy", replace(TINY, epochs=1))
    with open(tmp_path / "toy" / "history.jsonl", "a") as file:  # the line of an epoch that was killed: it is forgotten
        file.write('{"epoch": 2, "loss": 9}\n')
    train(store, tmp_path / "toy", replace(TINY, epochs=3), resume=True)
    volatile = ("seconds", "patches_per_s")
    broken, whole = ([{k: v for k, v in line.items() if k not in volatile} for line in history(f)] for f in (tmp_path / "toy", folder))
    assert broken == whole
    for one, other in zip(weights_of(tmp_path / "toy"), weights_of(folder), strict=True):
        assert np.array_equal(one, other)


def test_the_card_keeps_the_rates_of_an_atrous_pyramid(tmp_path):
    options = Run(fakes.store(size=64), tmp_path, TrainSettings(architecture="deeplabv3")).network_options()
    assert options["rates"] == [1, 2, 3]
    card = ModelCard("m", "deeplabv3", fakes.store(size=64).scheme, (1, 2, 3), network=options)
    assert "Atrous rates: 1, 2, 3 pixels" in describe(card)


@pytest.mark.parametrize(
    ("way", "wanted"),
    [
        ("patch", {"kind": "patch", "bands": "each"}),
        ("divide=1000", {"kind": "divide", "divisor": 1000.0}),
        ("maximum", None),
    ],
)
def test_a_run_scales_values_as_it_is_told(way, wanted, tmp_path):
    store = fakes.store(size=16)
    run = Run(store, tmp_path, replace(TINY, normalisation=way, augment=False))
    run.open(resume=False)
    run.events.close()
    if way == "maximum":
        wanted = {"kind": "divide", "divisor": [float(value) for value in store.statistics["max"]]}
    assert run.card.normalisation == wanted
    order = run.train_rows[None, :4]
    images, _ = next(iter(run.batches(order, epoch=0)))
    np.testing.assert_allclose(images, np.stack([normalise(store.images[row], wanted) for row in order[0]]), atol=1e-6)


@fakes.untraced()
def test_a_run_that_stretches_by_image_scores_what_its_model_gives_for_the_stretched_images(tmp_path):
    images = {}
    for name, level in (("a", 300), ("b", 9000)):
        image, ids = fakes.blobs(level, 48)
        images[name] = (image.astype(np.uint16) + 1) * (level // 100)
        save(tmp_path / "set" / "images" / f"{name}.tif", images[name])
        save(tmp_path / "set" / "masks" / f"{name}.tif", np.where(ids == 255, 0, ids))
    store = prepare(open_dataset(tmp_path / "set"), tmp_path / "store", patch_size=16, stride=16, split="random", validation=0.3)
    result = train(store, tmp_path / "model", replace(TINY, epochs=1, normalisation="image=1,99"))
    model, rows = find_model(result.folder), store.rows("validation")
    assert model.card.normalisation == {"kind": "image", "low": 1.0, "high": 99.0}
    stretched = []
    for row in rows:
        image = images[store.index[row]["pair"]]
        low, high = np.percentile(image, (1, 99), axis=(0, 1))
        stretched.append(np.clip((store.images[row] - low) / (high - low), 0, 1))
    guess = np.asarray(model.keras_model()(np.stack(stretched).astype(np.float32), training=False)).argmax(-1)
    counts = Confusion.empty(len(store.scheme)).add(store.masks[rows], guess).counts
    assert counts.tolist() == model.card.metrics["validation"]["confusion"]


def test_another_seed_gives_another_result(finished, tmp_path):
    store, folder, _, _ = finished
    train(store, tmp_path / "other", replace(TINY, epochs=1, seed=1))
    assert history(tmp_path / "other")[0]["loss"] != history(folder)[0]["loss"]


def test_resume_with_other_settings_is_refused(finished):
    store, folder, _, _ = finished
    with pytest.raises(SettingsError, match="learning_rate"):
        train(store, folder, replace(TINY, epochs=3, learning_rate=1e-4), resume=True)


@fakes.untraced()
def test_a_stop_takes_effect_within_one_batch_and_leaves_a_model(tmp_path):
    store, batches = fakes.store(size=16), []
    result = train(
        store, tmp_path, replace(TINY, epochs=50), on_progress=lambda *_: batches.append(1), should_stop=lambda: len(batches) >= 3
    )
    assert len(batches) == 3  # one whole epoch of two batches, and one more
    assert result.stopped and result.epochs == 1 and result.best_epoch == 1
    card = find_model(tmp_path).card
    assert card.training["state"] == "stopped" and card.metrics["validation"]["pixels"] > 0


@fakes.untraced()
def test_a_stop_in_the_first_epoch_leaves_nothing_that_could_be_taken_for_a_model(tmp_path):
    result = train(fakes.store(size=16), tmp_path, TINY, should_stop=lambda: True)
    assert result.stopped and result.epochs == 0 and result.best_epoch == 0
    assert result.validation["mean_iou"] is None
    assert list_models([tmp_path]) == list_models() and not (tmp_path / "card.json").exists()
    assert train(fakes.store(size=16), tmp_path, replace(TINY, epochs=1), resume=True).best_epoch == 1


@fakes.untraced()
def test_an_older_model_stays_until_the_new_run_has_an_epoch_of_its_own(tmp_path):
    folder, once, newer = tmp_path / "toy", replace(TINY, epochs=1), replace(TINY, epochs=2, seed=7)
    train(fakes.store(size=16), folder, once)
    (folder / "field notes.txt").write_text("mine")
    (folder / "kept").mkdir()
    (folder / "kept" / "map.txt").write_text("mine too")
    older = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def unchanged():
        return older == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    with pytest.raises(InputError):  # what is refused has not begun, and the older run is the one to go on with
        train(fakes.store(size=16), folder, replace(newer, weights="nowhere.keras"))
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]
    assert train(fakes.store(size=16), folder, newer, should_stop=lambda: True).stopped and unchanged()
    assert [model.folder.name for model in list_models([tmp_path]) if model.folder.parent == tmp_path] == ["toy"]

    seen = []

    def looks_at_both(line):
        if line["epoch"] == 1:
            assert find_model(folder).card.training["settings"]["seed"] == 7 and len(history(folder)) == 1

    result = train(
        fakes.store(size=16), folder, newer, resume=True, on_progress=lambda *_: seen.append(unchanged()), on_epoch=looks_at_both
    )
    assert seen[:3] == [True, True, False]  # two batches an epoch
    assert result.epochs == 2 and [line["epoch"] for line in history(folder)] == [1, 2] and result.card.name == "toy"
    assert (folder / "field notes.txt").read_text() == "mine" and (folder / "kept" / "map.txt").read_text() == "mine too"
    assert [path.name for path in tmp_path.iterdir()] == ["toy"] and not list(folder.glob(".*"))
    assert len(list((folder / "previews").iterdir())) == 2


def test_a_kill_while_two_runs_change_places_leaves_the_newer_one(tmp_path):
    folder, beside = tmp_path / "toy", tmp_path / ".toy.partial"

    def run(where, name):
        where.mkdir()
        for file in ("last.npz", "settings.json", "model.keras"):
            (where / file).write_text(name)

    run(folder, "older")
    begun = Place(folder, resume=False)
    begun.begin()
    assert begun.now == beside and Place(folder, resume=True).now == folder and not beside.exists()  # refused before it had settings
    begun.begin()
    (beside / "settings.json").write_text("newer")
    assert Place(folder, resume=True).now == beside  # begun last, it goes on, and not the older one
    beside.rename(tmp_path / "third")
    folder.rename(beside)
    (tmp_path / "third").rename(folder)  # the two have changed places, and the older one is not yet deleted
    went_on = Place(folder, resume=True)
    assert went_on.now == folder and (folder / "settings.json").read_text() == "newer" and not beside.exists()
    assert [path.name for path in folder.iterdir()] == ["settings.json"]


@fakes.untraced()
def test_a_pause_waits_between_batches(tmp_path):
    asked = []

    def should_pause():
        asked.append(1)
        return len(asked) in (2, 3, 4)

    result = train(fakes.store(size=16), tmp_path, replace(TINY, epochs=1), should_pause=should_pause)
    assert result.epochs == 1
    assert len(asked) == 2 + 3  # each of two batches asks once, and the second one asks three times more


@fakes.untraced()
def test_patience_ends_a_run_that_no_longer_improves(tmp_path):
    result = train(fakes.store(size=16), tmp_path, replace(TINY, epochs=60, patience=2, learning_rate=1e-9, augment=False, dropout=0.0))
    assert result.epochs < 60
    assert result.epochs == result.best_epoch + 2


@fakes.untraced()
def test_a_broken_loss_is_a_clear_error(tmp_path, monkeypatch):
    # Zero divided by zero, as a loss without a floor can give it.
    monkeypatch.setitem(losses._PARTS, "dice", (lambda truth, guess, weights: (guess[0, 0, 0, 0] * 0.0) / 0.0,))
    with pytest.raises(SettingsError, match="step 1 of epoch 1.*Lower the learning rate"):
        train(fakes.store(size=16), tmp_path, replace(TINY, loss="dice"))


@fakes.untraced()
def test_without_validation_the_training_loss_decides_and_the_card_says_so(tmp_path):
    result = train(fakes.store(size=16, validation=0), tmp_path, replace(TINY, epochs=2))
    assert result.card.training["monitor"] == "loss"
    assert any("no validation" in note for note in result.card.notes)
    assert "train" in result.card.metrics


def test_without_training_patches_it_says_so(tmp_path):
    store = fakes.store(size=16)
    store.rows = lambda part: np.array([], np.int64)
    with pytest.raises(DatasetError, match="no training patches"):
        train(store, tmp_path, TINY)


@fakes.untraced()
def test_other_dtypes_are_standardised_by_the_training_part(tmp_path):
    store = fakes.store(size=16, bands=5, dtype="uint16")
    result = train(store, tmp_path, replace(TINY, epochs=1, sampling="balanced", steps_per_epoch=3, class_weights="median"))
    card = result.card
    assert card.bands == (1, 2, 3, 4, 5) and card.dtype == "uint16"
    assert card.normalisation["kind"] == "standard"
    np.testing.assert_allclose(card.normalisation["mean"], store.statistics["mean"])
    values = card.normalise(store.images[store.rows("train")])
    np.testing.assert_allclose(values.mean((0, 1, 2)), 0, atol=1e-3)


def test_starting_from_a_model_begins_better_than_from_nothing(finished, tmp_path):
    store, folder, _, _ = finished
    result = train(store, tmp_path / "second", replace(TINY, epochs=1, weights=str(folder)))
    assert any("Started from toy" in note for note in result.card.notes)
    assert history(tmp_path / "second")[0]["loss"] < history(folder)[0]["loss"]


def test_eight_patches_are_learned_by_heart(tmp_path):
    store = fakes.store(train=8, validation=0, size=32)
    settings = TrainSettings(epochs=25, batch_size=4, filters=(8, 16), learning_rate=1e-2, augment=False, patience=0, dropout=0.0)
    train(store, tmp_path, settings)
    assert history(tmp_path)[-1]["accuracy"] > 0.95


@pytest.mark.parametrize(
    "changes", [{"optimizer": "adamw", "schedule": "cosine", "warmup_epochs": 1}, {"optimizer": "sgd", "schedule": "plateau"}]
)
@fakes.untraced()
def test_other_optimizers_and_schedules_train(changes, tmp_path):
    result = train(fakes.store(size=16), tmp_path, replace(TINY, epochs=3, clip_norm=1.0, **changes))
    assert result.epochs == 3
    rates = [line["learning_rate"] for line in history(tmp_path)]
    if changes["optimizer"] == "adamw":
        # a linear rise 0.0025, then half a cosine from 0.005
        assert rates[0] == pytest.approx(2.5e-3) and rates[1] == pytest.approx(5e-3) and rates[2] < rates[1]
