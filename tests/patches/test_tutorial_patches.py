"""The patches that the tutorials cut: their rule of 5 %, their counts, and their cropped rims."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from core.datasets.datasets import open_dataset
from core.errors import DatasetError, SettingsError
from core.patches.grid import count_positions, positions
from core.patches.labelled import not_labelled
from core.patches.prepare import prepare
from core.patches.store import STORE_FILE, PatchStore
from core.verbs.registry import VERBS, command_line
from tests.helpers.datasets import save, stripes


def objects(folder, names=None, side=1024, patch=256):
    """A scene whose patches show 0 to 10 % objects (value 1), row by row, and a class file where there are `names`."""
    mask = np.zeros((side, side), np.uint8)
    count = (side // patch) ** 2
    for k in range(count):
        row, col = divmod(k, side // patch)
        block = mask[row * patch : (row + 1) * patch, col * patch : (col + 1) * patch]
        block.reshape(-1, patch)[: round(0.1 * k / (count - 1) * patch)] = 1
    save(folder / "images" / "a.tif", np.random.default_rng(0).integers(0, 255, (side, side, 3)).astype(np.uint8))
    save(folder / "masks" / "a.tif", mask)
    if names:
        classes = [{"name": name, "colour": f"#0000{k:02d}", "value": k} for k, name in enumerate(names)]
        (folder / "classes.json").write_text(json.dumps({"classes": classes}))
    return mask


def chosen_by_the_tutorial(mask, patch=256):
    """`(1 - counts[0]/counts.sum()) > 0.05`, patch by patch."""
    kept = 0
    for row in range(0, mask.shape[0], patch):
        for col in range(0, mask.shape[1], patch):
            values, counts = np.unique(mask[row : row + patch, col : col + patch], return_counts=True)
            kept += (1 - (counts[0] / counts.sum() if values[0] == 0 else 0)) > 0.05
    return kept


@pytest.mark.parametrize("names", [("Background", "Object"), None], ids=["named", "not named"])
def test_the_rule_of_5_percent_keeps_what_the_tutorial_keeps(tmp_path, names):
    mask = objects(tmp_path, names)
    assert chosen_by_the_tutorial(mask) == 8
    store = prepare(open_dataset(tmp_path), tmp_path / "store", patch_size=256, stride=256, split="random")
    assert len(store) == 8 and store.summary()["dropped_unlabelled"] == 8
    assert store.not_labelled == (("Class 0",) if names is None else ("Background",))
    assert any("8 patches left out for that" in note for note in store.split_info["notes"])
    assert any("has no name" in note for note in store.split_info["notes"]) == (names is None)
    assert set(np.unique(store.masks)) == {0, 1}  # it is a class all the same
    everything = prepare(open_dataset(tmp_path), tmp_path / "all", patch_size=256, stride=256, split="random", not_labelled=[])
    assert len(everything) == 16 and everything.not_labelled == () and not everything.split_info["notes"][:1]


def test_zero_counts_where_another_value_marks_what_nobody_labelled(tmp_path):
    objects(tmp_path)
    mask = np.zeros((1024, 1024), np.uint8)
    mask[:512], mask[:100] = 1, 255
    save(tmp_path / "masks" / "a.tif", mask)
    dataset = open_dataset(tmp_path)
    assert dataset.marks_unlabelled and not_labelled(dataset, None, patch_size=256).ids == ()
    mask[:100] = 2
    save(tmp_path / "masks" / "a.tif", mask)
    assert not_labelled(open_dataset(tmp_path), None, patch_size=256).ids == (0,)


def test_chips_are_chosen_already(tmp_path):
    objects(tmp_path, ("Background", "Object"), side=256, patch=64)
    dataset = open_dataset(tmp_path)
    assert not_labelled(dataset, None, patch_size=256).ids == ()
    assert not_labelled(dataset, None, patch_size=128).ids == (0,)
    for name in ("Unlabelled", "unlabeled", "BACKGROUND"):
        renamed = replace(dataset, scheme=replace(dataset.scheme, names=("Object", name)))
        assert not_labelled(renamed, None, patch_size=128).ids == (1,)


def test_classes_are_named_by_name_or_value(tmp_path):
    objects(tmp_path, ("Background", "Object"))
    dataset = open_dataset(tmp_path)
    for asked in (["object", 0], ["1", "BACKGROUND"]):
        assert sorted(not_labelled(dataset, asked, patch_size=256).ids) == [0, 1]
    with pytest.raises(SettingsError, match="no class 'sea' that could count as not labelled. Expected some of Background, Object"):
        prepare(dataset, tmp_path / "store", not_labelled=["sea"])


def typed(*words):
    typed = ["prepare", "in", "out", *words]
    verb = command_line(typed).parse_args(typed)
    return VERBS["prepare"].settings.from_request(verb.typed(verb)[1]).cutting


def test_flags_of_the_tutorials_patches():
    assert typed("--not-labelled", "Background, 0").not_labelled == ("Background", "0")
    assert typed("--not-labelled", "none").not_labelled == () and typed().not_labelled is None
    assert typed("--counts", "400,100,30").counts == (400, 100, 30) and typed("--rim", "crop").rim == "crop"


def test_stores_of_earlier_versions_open_and_count_every_class(tmp_path):
    objects(tmp_path, ("Background", "Object"))
    store = prepare(open_dataset(tmp_path), tmp_path / "store", patch_size=256, stride=256, split="random")
    record = json.loads((store.folder / STORE_FILE).read_text())
    for key in ("rim", "images", "shapes"):
        del record[key]
    for key in ("not_labelled", "counts", "dropped_left_over"):
        del record["split"][key]
    (store.folder / STORE_FILE).write_text(json.dumps(record))
    old = PatchStore.open(store.folder)
    assert old.not_labelled == () and old.summary()["rim"] == "fill" and old.summary()["dropped_left_over"] == 0


@pytest.fixture
def town(make_tiles):
    """Nine tiles of 12 x 12 patches of 8 px: 1296 in all."""
    return open_dataset(make_tiles({f"Tile {k}": [stripes(96, 96, 0, 1)] for k in range(9)}))


@pytest.mark.parametrize("how", ["random", "group", "block"])
def test_a_split_by_counts_has_400_100_and_30_patches(town, tmp_path, how):
    store = prepare(town, tmp_path / "store", patch_size=8, stride=8, split=how, counts=[400, 100, 30])
    assert store.summary()["patches"] == {"train": 400, "validation": 100, "test": 30}
    guard = store.summary()["dropped_guard"]
    assert store.summary()["dropped_left_over"] == 1296 - 530 - guard and (guard > 0) == (how == "block")
    assert store.split_info["counts"] == [400, 100, 30] and len(store) == 530


def test_counts_beyond_what_is_kept_together_are_told(town, tmp_path):
    store = prepare(town, tmp_path / "store", patch_size=8, stride=8, counts=[1000, 290])
    assert store.summary()["patches"] == {"train": 1000, "validation": 288, "test": 0}
    assert any("288 of the 290 patches asked for" in note for note in store.split_info["notes"])
    held = prepare(town, tmp_path / "held", patch_size=8, stride=8, counts=[400, 100, 30], hold_out=["Tile 8"])
    assert held.summary()["patches"] == {"train": 400, "validation": 100, "test": 30} and held.split_info["groups"]["test"] == ["Tile 8"]


def test_wrong_shares_and_counts_are_refused_before_anything_is_read(town, tmp_path, monkeypatch):
    monkeypatch.setattr("core.patches.prepare.patch_table", lambda *_, **__: pytest.fail("counted"))
    monkeypatch.setattr("core.datasets.pairs.Pair.labels", lambda *_, **__: pytest.fail("read"))
    cut = {"patch_size": 8, "stride": 8}
    for shares in ({"validation": 0.7, "test": 0.4}, {"validation": -0.2}, {"test": -0.2}, {"validation": 1.2}):
        with pytest.raises(SettingsError, match="shares of"):
            prepare(town, tmp_path / "store", **cut, **shares)
    with pytest.raises(SettingsError, match="1000, 200 and 100, 1300 patches in all. Expected at most the 1296 that 8 px every 8 px"):
        prepare(town, tmp_path / "store", **cut, counts=[1000, 200, 100])


def test_counts_of_patches_that_are_labelled_too_little(make_tiles, tmp_path):
    half = open_dataset(make_tiles({f"Tile {k}": [stripes(32, 64, 0, 255)] for k in range(2)}))
    with pytest.raises(DatasetError, match="Expected at most the 32 patches of set that are labelled enough"):
        prepare(half, tmp_path / "store", patch_size=8, stride=8, counts=[40, 8, 0])


def test_cropping_gives_the_396_patches_of_a_tutorial_where_filling_gives_567():
    tiles = [(658, 682)] * 9 + [(1479, 2149)] * 9
    assert count_positions(tiles, 256, 256) == 567
    assert count_positions(tiles, 256, 256, "crop") == 396
    assert positions(700, 256, 256, "crop") == [0, 256] and positions(200, 256, 256, "crop") == []


@pytest.mark.parametrize("stride", [16, 12])
def test_cropped_patches_are_those_of_patchify(make_tiles, tmp_path, stride):
    patchify = pytest.importorskip("patchify").patchify
    rng = np.random.default_rng(1)
    tiles = {f"Tile {k}": [rng.integers(0, 5, shape).astype(np.uint8)] for k, shape in enumerate([(41, 53), (64, 30), (15, 90)])}
    dataset = open_dataset(make_tiles(tiles))
    store = prepare(dataset, tmp_path / "store", patch_size=16, stride=stride, rim="crop", split="random")
    wanted = [
        patchify(pair.image.read(), (16, 16, 3), step=stride).reshape(-1, 16, 16, 3) for pair in dataset.pairs if min(pair.shape) >= 16
    ]
    np.testing.assert_array_equal(store.images, np.concatenate(wanted))
    assert store.record["rim"] == "crop" and (np.asarray(store.masks) < 5).all()
    filled = prepare(dataset, tmp_path / "filled", patch_size=16, stride=stride, split="random")
    assert len(filled) > len(store) and filled.record["rim"] == "fill"


def test_scenes_too_small_for_a_cropped_patch_are_one_line(make_tiles, tmp_path):
    dataset = open_dataset(make_tiles({"Tile 1": [stripes(10, 40, 0)], "Tile 2": [stripes(12, 40, 1)]}))
    with pytest.raises(DatasetError, match="no scene of set that holds a whole patch of 16 pixels"):
        prepare(dataset, tmp_path / "store", patch_size=16, stride=16, rim="crop")
