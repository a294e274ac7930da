import json

import keras
import numpy as np
import pytest
from keras import layers

from core.classes import ClassScheme
from core.errors import ModelError, SettingsError
from core.model_store.examining import examine
from core.model_store.importing import Answers, import_model, scheme_of

SCHEME = ClassScheme(("Water", "Land"), ((0, 0, 255), (0, 200, 0)))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """One sigmoid channel over four bands, any size."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, None, 4))
    network = keras.Model(inputs, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(layers.Rescaling(1 / 255)(inputs)))
    network.compile("adam", loss="binary_crossentropy", metrics=["accuracy"])
    path = tmp_path_factory.mktemp("files") / "water.h5"
    network.save(path)
    return path, network


def test_what_is_told_and_what_is_asked(file):
    examined = examine(file[0])
    assert examined.asks == ("bands", "normalisation", "scheme", "patch_size")
    assert examined.card.output == "sigmoid" and len(examined.card.scheme) == 2 and not examined.runs_code
    assert examined.normalisations[0].normalisation == {"kind": "none"}  # it rescales by itself
    assert any("4 bands" in sentence and "any size" in sentence for sentence in examined.tells)
    assert any("binary_crossentropy" in sentence for sentence in examined.tells)
    assert any(keras.__version__ in sentence for sentence in examined.tells)


def test_answers_become_the_card_and_the_rest_stays_assumed(file, tmp_path):
    heard = []
    answers = Answers(scheme=SCHEME, bands=(4, 3, 2, 1), patch_size=16, name="Water", pixel_size_m=0.5)
    model = import_model(file[0], tmp_path / "m", answers, on_progress=lambda *told: heard.append(told))
    card = json.loads((tmp_path / "m" / "card.json").read_text())
    assert (card["name"], card["bands"], card["patch_size"], card["pixel_size_m"]) == ("Water", [4, 3, 2, 1], 16, 0.5)
    assert card["scheme"]["classes"][0]["name"] == "Water" and card["output"] == "softmax"
    assert card["assumed"] == ["8-bit images, divided by 255"]
    assert heard[-1][:2] == (3, 3)
    values = np.random.default_rng(0).random((1, 16, 16, 4), np.float32)
    raw = np.asarray(file[1](values, training=False))
    found = np.asarray(model.keras_model()(values, training=False))
    np.testing.assert_allclose(found, np.concatenate([1 - raw, raw], -1), atol=1e-6)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (Answers(bands=(1, 2, 3)), "4 band numbers"),
        (Answers(bands=(0, 1, 2, 3)), "4 band numbers"),
        (Answers(scheme=ClassScheme(("a", "b", "c"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))), "2, as many"),
    ],
)
def test_answers_that_do_not_fit_are_refused(file, tmp_path, answers, said):
    with pytest.raises(SettingsError, match=said):
        import_model(file[0], tmp_path / "m", answers)
    assert not (tmp_path / "m").exists()


def test_nothing_is_written_over(file, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SettingsError, match="is there already"):
        import_model(file[0], tmp_path, Answers())
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_normalisation_for_other_bands_is_refused(file, tmp_path):
    with pytest.raises(ModelError, match="normalisation"):
        import_model(file[0], tmp_path / "m", Answers(normalisation={"kind": "standard", "mean": [0.0], "std": [1.0]}))


def test_class_names_come_in_many_forms(tmp_path):
    (tmp_path / "classes.json").write_text(json.dumps(SCHEME.to_dict()))
    assert scheme_of(None) is None
    assert scheme_of(["Water", "Land"]).names == SCHEME.names
    assert scheme_of(str(tmp_path / "classes.json")) == scheme_of(SCHEME.to_dict()) == SCHEME
