import json

import numpy as np
import pytest

from core.classes import DUBAI
from core.errors import ModelError
from core.model_store.cards import LIKE_NETWORKS, ModelCard, describe


def card(**changes):
    return ModelCard(**{"name": "toy", "architecture": "unet", "scheme": DUBAI, "bands": (1, 2, 3), **changes})


def test_round_trip_through_a_folder(tmp_path):
    before = card(
        encoder="resnet34",
        dtype="uint16",
        normalisation={"kind": "standard", "mean": [1.0, 2.0, 3.0], "std": [4.0, 5.0, 6.0]},
        split={"how": "group", "test": ["Tile 1"]},
        metrics={"validation": DUBAI_SCORES},
        notes=("A note.",),
    )
    before.save(tmp_path)
    after = ModelCard.load(tmp_path)
    assert after == before
    assert ModelCard.load(tmp_path / "card.json") == before
    assert "resnet34" in (tmp_path / "README.md").read_text()


DUBAI_SCORES = {"mean_iou": 0.5, "classes": {"Road": {"iou": 0.25, "precision": 0.5, "recall": 0.5, "f1": 0.5}}}


def test_keys_of_a_newer_version_are_passed_over():
    assert ModelCard.from_dict({**card().to_dict(), "colour_of_the_cover": "red"}) == card()


def test_divide():
    out = card().normalise(np.array([[0, 51, 255]], np.uint8))
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, [[0, 0.2, 1]], rtol=1e-6)


def test_standard_per_band_and_nan_becomes_zero():
    standard = card(normalisation={"kind": "standard", "mean": [10, 20, 30], "std": [2, 4, 5]})
    out = standard.normalise(np.array([[14, np.nan, 20]], np.float32))
    assert out.tolist() == [[2, 0, -2]]  # (14-10)/2, nodata, (20-30)/5


def test_the_input_is_not_changed():
    batch = np.ones((2, 2, 3), np.float32)
    card().normalise(batch)
    assert (batch == 1).all()


@pytest.mark.parametrize(
    "normalisation",
    [
        {"kind": "magic"},
        {"kind": "divide", "divisor": 0},
        {"kind": "standard", "mean": [1], "std": [1]},
        {"kind": "standard", "mean": [1] * 3, "std": [1, 0, 1]},
    ],
)
def test_a_normalisation_that_cannot_work_is_refused(normalisation):
    with pytest.raises(ModelError):
        card(normalisation=normalisation)


def test_a_folder_without_a_card_says_so(tmp_path):
    with pytest.raises(ModelError, match="no readable model card"):
        ModelCard.load(tmp_path)


def test_a_broken_card_says_so(tmp_path):
    (tmp_path / "card.json").write_text(json.dumps({"name": "x"}))
    with pytest.raises(ModelError, match="cannot be read"):
        ModelCard.load(tmp_path)


def test_the_page_for_people_shows_scores_and_guesses():
    text = describe(card(metrics={"validation": DUBAI_SCORES}, assumed=("the class names",)))
    assert "| Road | 0.25 | 0.5 | 0.5 | 0.5 |" in text
    assert "Assumed" in text


def test_a_temperature_is_kept_and_old_cards_have_none(tmp_path):
    card(temperature=1.75).save(tmp_path)
    assert ModelCard.load(tmp_path).temperature == 1.75 and "temperature 1.750" in (tmp_path / "README.md").read_text()
    old = {key: value for key, value in card().to_dict().items() if key != "temperature"}
    assert ModelCard.from_dict(old).temperature == 1.0 and "temperature" not in describe(card())
    with pytest.raises(ModelError, match="temperature"):
        card(temperature=0.0)


def test_the_test_part_counts_before_the_part_that_chose_the_epoch():
    both = {"validation": {"mean_iou": 0.8}, "test": {"mean_iou": 0.7}}
    assert card(metrics=both).held_out() == ("test", 0.7)
    assert card(metrics={**both, "test": {"mean_iou": None}}).held_out() == ("validation", 0.8)
    folds = {f"tiles {name}, {LIKE_NETWORKS}": {"mean_iou": value} for name, value in (("1", 0.5), ("2", 0.6))}
    assert card(metrics=folds).of_like_networks() == (2, pytest.approx(0.55)) and card(metrics=folds).held_out() is None
    assert card(metrics={f"a, {LIKE_NETWORKS}": "lost"}).of_like_networks() is None
    assert card().held_out() is None and card().of_like_networks() is None and card(metrics={"mean_iou": 0.8}).held_out() is None


def test_a_card_knows_its_training_images():
    trained = card(split={"pairs": {"train": ["coast", "creek"], "test": ["villas"]}, "groups": {"test": ["Tile 8"]}})
    assert trained.was_trained_on(("coast",)) and not trained.was_trained_on(("villas",)) and not card().was_trained_on(("coast",))
    assert trained.groups_of("test") == ("Tile 8",) and trained.groups_of("train") == ()


WRONG = (
    *({"weights_file": name} for name in ("../m.keras", "/m.keras", "")),
    *({"bands": [0]}, {"patch_size": -1}, {"scale": 0.0}, {"patch_size": "256"}, {"notes": [None]}, {"metrics": {"test": []}}),
)


@pytest.mark.parametrize("change", WRONG, ids=str)
def test_a_card_with_what_no_model_has_is_refused_in_one_line(change):
    value = ModelCard("m", "unet", DUBAI, (1, 2, 3)).to_dict()
    ModelCard.from_dict(value)
    with pytest.raises(ModelError, match="a model card"):
        ModelCard.from_dict({**value, **change})
