from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from core.audit.alignment import agreement, best_shift
from core.audit.audit import audit
from core.classes import DUBAI
from core.datasets.datasets import open_dataset
from core.datasets.mosaics import find_mosaics
from core.datasets.remedies import Remedies, apply_remedy
from core.errors import Cancelled
from core.scenes.scene import Window
from tests.helpers.datasets import save, stripes
from tests.scenes.test_mosaic import chips_of, picture


def blocks(seed: int, height: int = 120, width: int = 130) -> np.ndarray:
    """Class ids with outlines in both directions: rectangles of classes 1 to 4 on class 0."""
    rng = np.random.default_rng(seed)
    ids = np.zeros((height, width), np.uint8)
    for class_id in (1, 2, 3, 4) * 5:
        row, col = rng.integers(0, height - 20), rng.integers(0, width - 20)
        ids[row : row + rng.integers(8, 25), col : col + rng.integers(8, 25)] = class_id
    return ids


def photo(ids: np.ndarray, seed: int = 0) -> np.ndarray:
    """A picture in which each class has a brightness of its own, with noise."""
    rng = np.random.default_rng(seed)
    grey = np.array([60, 200, 130, 90, 230] + [0] * 251)[ids][..., None] + rng.normal(0, 6, (*ids.shape, 3))
    return np.clip(grey, 0, 255).astype(np.uint8)


@pytest.fixture
def root(tmp_path):
    """A healthy data set: two tiles of two images each."""
    for seed, (tile, k) in enumerate((t, k) for t in (1, 2) for k in (1, 2)):
        ids = blocks(seed)
        save(tmp_path / f"Tile {tile}/images/part_{k}.png", photo(ids, seed))
        save(tmp_path / f"Tile {tile}/masks/part_{k}.png", DUBAI.decode(ids))
    return tmp_path


def findings(root, code: str) -> list:
    return [finding for finding in audit(open_dataset(root)).findings if finding.code == code]


def only(root, code: str):
    found = findings(root, code)
    assert len(found) == 1
    return found[0]


def test_a_healthy_set_has_no_errors_and_no_warnings(root):
    result = audit(open_dataset(root))
    assert [finding for finding in result.findings if finding.severity != "info"] == []
    summary = result.summary()
    assert (summary["pairs"], summary["unpaired"], summary["size_mismatches"], summary["unreadable"]) == (4, 0, 0, 0)
    assert summary["off_palette"] == {}
    assert summary["palette_conflicts"] == []
    assert summary["mosaics"] == []
    assert list(summary["classes"]) == ["Building", "Land", "Road", "Vegetation", "Water", "Unlabeled"]
    assert sum(summary["classes"].values()) == pytest.approx(1)
    json.dumps(summary)


def test_class_fractions_by_hand(tmp_path):
    ids = stripes(10, 20, 0, 0, 0, 255)  # 15 of 20 columns Building
    save(tmp_path / "images/a.png", photo(ids))
    save(tmp_path / "masks/a.png", DUBAI.decode(ids))
    fractions = audit(open_dataset(tmp_path)).class_fractions()
    assert fractions == {"Building": 0.75, "Land": 0, "Road": 0, "Vegetation": 0, "Water": 0, "Unlabeled": 0.25}
    assert "Land, Road, Vegetation and Water" in only(tmp_path, "class_nowhere").sentence


def test_strange_colours_are_counted_and_can_be_declared(root):
    ids = blocks(0)
    mask = DUBAI.decode(ids)
    mask[:2, :5] = 0
    mask[5, 5] = (1, 2, 3)
    save(root / "Tile 1/masks/part_1.png", mask)
    assert audit(open_dataset(root)).summary()["off_palette"] == {"#000000": 10, "#010203": 1}
    finding = only(root, "off_palette")
    assert finding.severity == "warning"
    assert [path.name for path in finding.files] == ["part_1.png"]
    assert "11 mask pixels" in finding.sentence
    finding.remedy.apply(root)
    assert findings(root, "off_palette") == []
    np.testing.assert_array_equal(open_dataset(root).pairs[0].labels(DUBAI)[:2, :5], 255)


def test_a_wrong_class_file_is_caught_and_mended(root):
    wrong = {
        "classes": [
            {"title": "Water", "color": "#50E3C2"},
            {"title": "Building", "color": "#3C1098"},
            {"title": "Land (unpaved)", "color": "#F5A623"},
        ]
    }
    (root / "classes.json").write_text(json.dumps(wrong))
    before = (root / "classes.json").read_bytes()
    assert audit(open_dataset(root)).summary()["palette_conflicts"] == ["Water", "Land"]
    only(root, "palette_conflict").remedy.apply(root)
    dataset = open_dataset(root)
    assert dataset.scheme_source == "remedy file groundline.json"
    assert dataset.scheme == DUBAI
    assert (root / "classes.json").read_bytes() == before


def test_a_right_class_file_is_no_conflict_and_a_broken_one_is_told(root):
    (root / "classes.json").write_text(json.dumps(DUBAI.to_dict()))
    assert audit(open_dataset(root)).summary()["palette_conflicts"] == []
    (root / "classes.json").write_text("{")
    assert "cannot be used" in only(root, "class_file_unreadable").sentence


def test_sizes_that_differ(root):
    mask = DUBAI.decode(blocks(0))
    save(root / "Tile 1/masks/part_1.png", mask[:-1])
    finding = only(root, "size_mismatch")
    assert finding.severity == "error"
    assert audit(open_dataset(root)).summary()["size_mismatches"] == 1
    assert "120 x 130 pixels (height x width), its mask 119 x 130" in finding.sentence
    finding.remedy.apply(root)
    assert findings(root, "size_mismatch") == []
    save(root / "Tile 1/masks/part_2.png", mask[:60])
    assert only(root, "size_mismatch").remedy.change.exclude == ("Tile 1/part_2",)


def test_files_without_partner_and_files_that_cannot_be_read(root):
    save(root / "Tile 1/images/alone.png", photo(blocks(9)))
    save(root / "Tile 2/masks/widow.png", DUBAI.decode(blocks(9)))
    whole = (root / "Tile 2/images/part_2.png").read_bytes()
    (root / "Tile 2/images/part_2.png").write_bytes(whole[: len(whole) // 3])
    (root / "Tile 1/masks/part_1.png").write_text("no image")
    result = audit(open_dataset(root))
    assert result.summary()["unpaired"] == 2
    assert result.summary()["unreadable"] == 2
    codes = {finding.code: finding for finding in result.findings}
    assert "alone.png" in codes["image_unpaired"].sentence
    assert "widow.png" in codes["mask_unpaired"].sentence
    assert codes["image_unreadable"].pairs == ("Tile 2/part_2",)
    assert codes["mask_unreadable"].pairs == ("Tile 1/part_1",)
    assert result.findings[0].severity == "error"
    codes["image_unreadable"].remedy.apply(root)
    codes["mask_unreadable"].remedy.apply(root)
    assert audit(open_dataset(root)).summary()["unreadable"] == 0


def test_a_class_that_a_tile_lacks(root):
    for k in (1, 2):
        ids = blocks(k + 1)
        ids[ids == 4] = 0
        save(root / f"Tile 2/masks/part_{k}.png", DUBAI.decode(ids))
    finding = only(root, "class_missing")
    assert finding.sentence.startswith("Water is missing from Tile 2 (1 of 2 groups)")
    assert finding.pairs == ("Tile 2/part_1", "Tile 2/part_2")


def test_nearly_identical_images(root):
    original = root / "Tile 1/images/part_1.png"
    copy = np.clip(photo(blocks(0), 0).astype(int) + np.random.default_rng(1).integers(-3, 4, (120, 130, 3)), 0, 255).astype(np.uint8)
    save(root / "Tile 2/images/part_9.png", copy)
    shutil.copy(root / "Tile 1/masks/part_1.png", root / "Tile 2/masks/part_9.png")
    finding = only(root, "images_alike")
    assert "Tile 1/part_1 = Tile 2/part_9" in finding.sentence
    assert "different groups" in finding.sentence
    assert finding.remedy.change.exclude == ("Tile 2/part_9",)
    assert original.exists()


def test_plain_water_is_not_called_identical(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(4):
        save(tmp_path / f"images/{k}.png", np.clip(90 + rng.normal(0, 3, (64, 64, 3)), 0, 255).astype(np.uint8))
        save(tmp_path / f"masks/{k}.png", DUBAI.decode(stripes(64, 64, 4, 1)))
    save(tmp_path / "images/9.png", photo(stripes(64, 64, 0, 4)))
    save(tmp_path / "masks/9.png", DUBAI.decode(stripes(64, 64, 0, 4)))
    assert findings(tmp_path, "images_alike") == []


def test_a_shifted_mask_is_found_and_moved_back(root):
    ids = blocks(2, 200, 220)
    save(root / "Tile 2/images/part_1.png", photo(ids))
    save(root / "Tile 2/masks/part_1.png", DUBAI.decode(np.roll(ids, (6, -9), (0, 1))))
    finding = only(root, "mask_shifted")
    assert finding.pairs == ("Tile 2/part_1",)
    assert finding.remedy.change.shifts_px == {"Tile 2/part_1": (-6, 9)}
    finding.remedy.apply(root)
    assert findings(root, "mask_shifted") == []
    moved = open_dataset(root).pair("Tile 2/part_1").labels(DUBAI)
    np.testing.assert_array_equal(moved[:-6, 9:], ids[:-6, 9:])


def test_agreement_peaks_where_the_mask_was_moved_from():
    ids = blocks(5, 150, 150)
    surface = agreement(photo(ids).mean(axis=2), np.roll(ids, (4, 7), (0, 1)))
    shift = best_shift(surface, factor=2.0)
    assert (shift.rows, shift.columns) == (-8, -14)
    assert shift.best > 2 * shift.unmoved
    assert best_shift(agreement(np.zeros((150, 150)), ids)) is None


def test_remedies_are_taken_back_one_by_one(root):
    before = open_dataset(root).digest
    every = Remedies(
        scheme=DUBAI,
        ignore_colours=("#000000", "#010203"),
        exclude=("Tile 1/part_1",),
        crop=("Tile 1/part_2",),
        shifts_px={"Tile 2/part_1": (1, -2)},
        groups={"Tile 2/part_1": "a", "Tile 2/part_2": "b"},
    )
    path = apply_remedy(root, every)
    steps = open_dataset(root).remedies.steps()
    assert len(steps) == 8  # classes, two colours, left out, cut, moved, two groups
    assert steps[3].title == "Left out: Tile 1/part_1."
    steps[3].take_back(root)
    left = open_dataset(root)
    assert "Tile 1/part_1" in [pair.name for pair in left.pairs] and left.remedies.crop == every.crop
    for step in left.remedies.steps():
        assert path.is_file()
        step.take_back(root)
    assert not path.exists() and open_dataset(root).digest == before


def test_nodata_share(root, tmp_path):
    ids = blocks(7)
    image = photo(ids)
    image[:60] = 0
    save(root / "Tile 2/images/part_3.tif", image, nodata=0)
    save(root / "Tile 2/masks/part_3.tif", DUBAI.decode(ids))
    finding = only(root, "nodata")
    assert finding.severity == "warning"
    assert "most in Tile 2/part_3: 50 %" in finding.sentence


def test_masks_that_blur_and_masks_that_say_nothing(root):
    from PIL import Image

    Image.fromarray(DUBAI.decode(blocks(0))).save(root / "Tile 1/masks/part_1.jpg", quality=80)
    (root / "Tile 1/masks/part_1.png").unlink()
    save(root / "Tile 2/masks/part_1.png", DUBAI.decode(np.full((120, 130), 255, np.uint8)))
    assert only(root, "lossy_masks").severity == "error"
    assert only(root, "mask_empty").remedy.change.exclude == ("Tile 2/part_1",)


def test_images_of_another_kind(root):
    save(root / "Tile 2/images/part_2.png", photo(blocks(3))[..., 0])
    finding = only(root, "kinds_differ")
    assert finding.pairs == ("Tile 2/part_2",)
    assert "not 3 bands of uint8" in finding.sentence


def test_chips_that_continue_each_other_are_told_and_grouped(tmp_path):
    for (i, j), chip in chips_of(picture()).items():
        save(tmp_path / f"images/chip_{2 * i + j}.png", chip)
        save(tmp_path / f"masks/chip_{2 * i + j}.png", DUBAI.decode(chip[..., 0] // 64))
    dataset = open_dataset(tmp_path)
    assert len(dataset.groups) == 6
    finding = only(tmp_path, "mosaic_parted")
    assert "6 images make one scene of 3 x 2 but count as 6 groups" in finding.sentence
    finding.remedy.apply(tmp_path)
    dataset = open_dataset(tmp_path)
    assert len(dataset.groups) == 1 and findings(tmp_path, "mosaic_parted") == []
    mosaic = find_mosaics(dataset)[0]
    assert (mosaic.rows, mosaic.columns) == (3, 2)
    np.testing.assert_array_equal(mosaic.image().read(), picture())
    whole = mosaic.pair()
    assert whole.name == f"{mosaic.group} mosaic"
    expected = picture()[..., 0] // 64
    np.testing.assert_array_equal(whole.labels(DUBAI, Window(30, 20, 90, 80)), expected[30:120, 20:100])


def test_the_audit_changes_nothing_and_can_be_stopped(root):
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    audit(open_dataset(root))
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    seen = []
    with pytest.raises(Cancelled):
        audit(open_dataset(root), on_progress=lambda *a: seen.append(a), should_stop=lambda: len(seen) >= 2)
    assert [words for _, _, words in seen] == [f"Looking at Tile 1/part_{k}" for k in (1, 2)]


@pytest.fixture(scope="module")
def dubai_summary():
    from tests.conftest import DUBAI as TILES

    if not TILES.is_dir():
        pytest.skip("the Dubai tiles are not beside the project (shared/data/dubai)")
    return audit(open_dataset(TILES)).summary()


def test_the_known_facts_of_the_dubai_tiles(dubai_summary):
    assert (dubai_summary["pairs"], dubai_summary["unpaired"], dubai_summary["size_mismatches"]) == (54, 0, 0)
    assert dubai_summary["off_palette"] == {"#000000": 5241}  # 506 in Tile 5, 863 in Tile 6, 3872 in Tile 7
    assert sorted(dubai_summary["palette_conflicts"]) == ["Building", "Land", "Road", "Vegetation", "Water"]
    assert dubai_summary["mosaics"] == [{"group": f"Tile {t}", "rows": 3, "columns": 3} for t in (1, 2, 4, 5, 6, 7)]
    codes = {finding["code"]: finding for finding in dubai_summary["findings"]}
    assert set(codes) == {"palette_conflict", "off_palette", "size_uneven", "mosaic", "class_uneven", "no_georeference"}
    assert codes["size_uneven"]["sentence"].endswith("Tile 1, Tile 2 and Tile 7.")
    assert "Building (1.8 % of Tile 6, 40.3 % of Tile 4)" in codes["class_uneven"]["sentence"]
    assert "5 of its 6 classes" in codes["palette_conflict"]["sentence"]
    assert dubai_summary["classes"]["Land"] == pytest.approx(0.5579, abs=1e-4)
