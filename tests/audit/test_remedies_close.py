"""The label doctor: a remedy closes its finding, and only what it touched is looked at again."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.audit import survey as survey_module
from core.audit.audit import audit
from core.classes import DUBAI
from core.datasets.datasets import open_dataset
from tests.helpers.datasets import save, stripes


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(4):
        save(tmp_path / f"images/s{k}.png", rng.integers(0, 255, (90, 110, 3)).astype(np.uint8))
        save(tmp_path / f"masks/s{k}.png", DUBAI.decode(stripes(90, 110, k % 3, 3, 4, 1)))
    return tmp_path


@pytest.fixture
def looked(monkeypatch) -> list[str]:
    """Names of the pairs that were looked at, in order."""
    names: list[str] = []
    real = survey_module.look_at

    def look_at(pair, dataset):
        names.append(pair.name)
        return real(pair, dataset)

    monkeypatch.setattr(survey_module, "look_at", look_at)
    return names


def spoil_colour(root):
    mask = DUBAI.decode(stripes(90, 110, 1, 3, 4, 1))
    mask[:2, :5] = (1, 255, 1)
    save(root / "masks/s1.png", mask)


def spoil_nearly(root):
    mask = DUBAI.decode(stripes(90, 110, 1, 3, 4, 1))
    mask[:2, :5] += np.array((1, 0, 1), np.uint8)
    save(root / "masks/s1.png", mask)


def spoil_size(root):
    save(root / "masks/s2.png", DUBAI.decode(stripes(89, 110, 2, 3, 4, 1)))


def spoil_double(root):
    (root / "images/s3.png").write_bytes((root / "images/s0.png").read_bytes())


def spoil_mask(root):
    (root / "masks/s2.png").write_bytes(b"no image")


def spoil_empty(root):
    save(root / "masks/s0.png", np.full((90, 110, 3), 155, np.uint8))


def spoil_kind(root):
    save(root / "images/s1.png", np.zeros((90, 110), np.uint8))


def spoil_list(root):
    wrong = [{"title": "Water", "color": "#50E3C2"}, {"title": "Land", "color": "#F5A623"}, {"title": "Building", "color": "#3C1098"}]
    (root / "classes.json").write_text(json.dumps({"classes": wrong}))


@pytest.mark.parametrize(
    ("spoil", "code", "again"),
    [
        (spoil_colour, "off_palette", ["s1"]),
        (spoil_nearly, "off_palette", ["s1"]),
        (spoil_size, "size_mismatch", ["s2"]),
        (spoil_double, "images_alike", []),
        (spoil_mask, "mask_unreadable", []),
        (spoil_empty, "mask_empty", []),
        (spoil_kind, "kinds_differ", []),
    ],
)
def test_a_remedy_closes_its_finding_and_looks_only_at_what_it_touched(root, looked, spoil, code, again):
    spoil(root)
    before = audit(open_dataset(root))
    (finding,) = [one for one in before.findings if one.code == code]
    assert len(looked) == 4
    looked.clear()
    finding.remedy.apply(root)
    after = audit(open_dataset(root), before=before)
    assert [one.code for one in after.findings if one.code == code] == []
    assert looked == again
    fresh = audit(open_dataset(root))
    assert after.summary() == fresh.summary()


def test_a_class_list_that_conflicts_is_closed_by_writing_the_masks_own(root, looked):
    spoil_list(root)
    before = audit(open_dataset(root))
    (finding,) = [one for one in before.findings if one.code == "palette_conflict"]
    finding.remedy.apply(root)
    after = audit(open_dataset(root), before=before)
    assert [one.code for one in after.findings if one.code == "palette_conflict"] == []
    assert len(looked) == 4  # the classes are those that were counted


def test_a_file_that_changed_is_looked_at_again(root, looked):
    before = audit(open_dataset(root))
    looked.clear()
    save(root / "masks/s2.png", DUBAI.decode(stripes(90, 110, 4, 4, 4, 1)))
    after = audit(open_dataset(root), before=before)
    assert looked == ["s2"] and after.counts.tolist() == audit(open_dataset(root)).counts.tolist()


def test_a_band_that_is_marked_as_transparency_is_named_and_can_be_read_so(tmp_path):
    from core.scenes.rasters import marked_transparent

    for k in range(2):
        pixels = np.random.default_rng(k).integers(1, 200, (60, 70, 4)).astype(np.uint8)
        pixels[:20, :, 3] = 0  # water in near infrared
        save(tmp_path / f"images/{k}.tif", pixels, photometric="RGB", alpha="YES")
        save(tmp_path / f"masks/{k}.png", stripes(60, 70, 0, 1))
    dataset = open_dataset(tmp_path)
    image = dataset.pairs[0].image
    assert image.bands == 4 and marked_transparent(image) == (4,) and image.valid().all()
    found = audit(dataset)
    assert [one.nodata_fraction for one in found.facts] == [0.0, 0.0]
    (finding,) = [one for one in found.findings if one.code == "alpha_is_data"]
    finding.remedy.apply(tmp_path)
    mended = open_dataset(tmp_path)
    assert mended.pairs[0].image.bands == 3 and not mended.pairs[0].image.valid()[:20].any()
    assert [one.code for one in audit(mended, before=found).findings if one.code == "alpha_is_data"] == []
