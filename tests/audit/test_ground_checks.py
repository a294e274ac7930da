from __future__ import annotations

import numpy as np
import pytest

from core.audit.audit import audit
from core.classes import DUBAI
from core.datasets.datasets import open_dataset
from core.datasets.remedies import Remedies, apply_remedy
from tests.helpers.datasets import save
from tests.helpers.ground import drawn_ground, in_other_light


@pytest.fixture
def root(tmp_path):
    """Two tiles that show the same 200 x 150 pixels, the second turned by a quarter; a third of its own."""
    ground = drawn_ground(1, 360)
    ids = np.zeros((360, 360), np.uint8)
    ids[:, 180:] = 3
    pictures = {"Tile 1": (ground[:260, :250], ids[:260, :250]), "Tile 2": (ground[60:, 100:], ids[60:, 100:])}
    for tile, (picture, labels) in pictures.items():
        if tile == "Tile 2":
            picture, labels = in_other_light(np.rot90(picture), np.random.default_rng(0)), np.rot90(labels)
        save(tmp_path / tile / "images/a.png", picture)
        save(tmp_path / tile / "masks/a.png", DUBAI.decode(labels))
    save(tmp_path / "Tile 3/images/a.png", drawn_ground(2, 240))
    save(tmp_path / "Tile 3/masks/a.png", DUBAI.decode(ids[:240, 100:340]))
    return tmp_path


def test_the_same_ground_is_told_with_its_pixels_and_labels_that_agree_are_not(root):
    result = audit(open_dataset(root))
    codes = {one.code: one for one in result.findings}
    assert "labels_disagree" not in codes
    finding = codes["same_ground"]
    assert finding.severity == "warning"
    assert finding.pairs == ("Tile 1/a", "Tile 2/a")
    assert "keeps Tile 1 with Tile 2 in one part" in finding.sentence
    (told,) = result.summary()["same_ground"]
    assert told["pixels"] == pytest.approx(200 * 150, rel=0.03)
    assert told["place"] == pytest.approx([60, 100, 200, 150], abs=2)
    assert told["second_place"] == pytest.approx([110, 0, 150, 200], abs=2)
    assert told["labels"]["alike"] > 0.97
    assert finding.to_dict(root)["places"][0]["place"] == told["place"]


def test_labels_that_disagree_are_told_with_both_places(root):
    wrong = np.full((360, 360), 1, np.uint8)
    wrong[:, 180:] = 3
    save(root / "Tile 2/masks/a.png", DUBAI.decode(np.rot90(wrong[60:, 100:])))
    result = audit(open_dataset(root))
    finding = next(one for one in result.findings if one.code == "labels_disagree")
    labels = result.summary()["same_ground"][0]["labels"]
    assert labels["labelled"] == pytest.approx(1, abs=0.01)
    assert labels["alike"] == pytest.approx(70 / 150, abs=0.02)  # columns 180 to 250 of 100 to 250
    assert labels["apart"] == ["Building", "Land", pytest.approx(80 / 150, abs=0.02)]
    assert "Building in the one is Land in the other" in finding.sentence
    assert [path.parent.parent.name for path in finding.files] == ["Tile 1", "Tile 1", "Tile 2", "Tile 2"]


def test_what_is_not_labelled_in_one_of_them_disagrees_with_nothing(root):
    save(root / "Tile 2/masks/a.png", DUBAI.decode(np.full((260, 300), 255, np.uint8)))
    result = audit(open_dataset(root))
    assert result.summary()["same_ground"][0]["labels"] is None


def test_a_second_look_knows_the_points_of_what_did_not_change(root, monkeypatch):
    before = audit(open_dataset(root))
    monkeypatch.setattr("core.audit.survey.points_of", lambda image: pytest.fail("looked at again"))
    apply_remedy(root, Remedies(ignore_colours=("#000000",)))
    after = audit(open_dataset(root), before=before)
    assert after.overlaps == before.overlaps
    # Made one group, they are no longer compared.
    apply_remedy(root, Remedies(groups={"Tile 2/a": "Tile 1"}))
    assert audit(open_dataset(root), before=after).overlaps == ()
