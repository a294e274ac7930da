from __future__ import annotations

import json
from threading import Barrier, Thread

import numpy as np
import pytest

from core.classes import DUBAI
from core.datasets.datasets import open_dataset
from core.datasets.remedies import Remedies, apply_remedy, read_remedies
from core.errors import ClassesError, DatasetError, MaskError
from core.scenes.scene import Window
from tests.helpers.datasets import save, stripes


def test_labels_of_a_window_equal_the_ids_that_were_drawn(make_tiles):
    ids = stripes(20, 30, 0, 1, 255)
    dataset = open_dataset(make_tiles({"Tile 1": [ids], "Tile 2": [ids]}))
    assert dataset.scheme == DUBAI
    assert dataset.kind == "colour"
    assert dataset.groups == ("Tile 1", "Tile 2")
    np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme), ids)
    np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme, Window(3, 7, 5, 16)), ids[3:8, 7:23])


def test_a_palette_png_and_an_rgb_png_mean_the_same(tmp_path):
    from PIL import Image

    ids = stripes(16, 20, 0, 4)
    save(tmp_path / "images/a.png", np.zeros((16, 20, 3), np.uint8))
    save(tmp_path / "images/b.png", np.zeros((16, 20, 3), np.uint8))
    save(tmp_path / "masks/a.png", DUBAI.decode(ids))
    Image.fromarray(DUBAI.decode(ids)).quantize(8).save(tmp_path / "masks/b.png")
    dataset = open_dataset(tmp_path)
    for pair in dataset.pairs:
        np.testing.assert_array_equal(pair.labels(dataset.scheme), ids)


def test_integer_masks(tmp_path):
    values = np.array([[0, 2, 7], [7, 255, 2]], np.uint8)
    save(tmp_path / "images/a.tif", np.zeros((2, 3, 3), np.uint8))
    save(tmp_path / "masks/a.tif", values)
    dataset = open_dataset(tmp_path)
    assert dataset.kind == "ids"
    assert dataset.scheme.names == ("Class 0", "Class 2", "Class 7")
    np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme), [[0, 1, 2], [2, 255, 1]])


def test_an_asked_class_file_wins_and_a_broken_one_is_refused(tmp_path, make_tiles):
    root = make_tiles({"Tile 1": [stripes(16, 16, 0, 4)]})
    asked = tmp_path / "mine.json"
    asked.write_text(json.dumps({"classes": [{"name": "Roof", "colour": "#3C1098"}]}))
    dataset = open_dataset(root, classes=asked)
    assert dataset.scheme.names == ("Roof",)
    ids, strangers = dataset.pairs[0].labels_and_strangers(dataset.scheme)
    assert strangers == {"#E2A929": 16 * 8}
    assert set(ids[:, 8:].ravel()) == {255}
    asked.write_text("no json")
    with pytest.raises(ClassesError):
        open_dataset(root, classes=asked)


def test_a_mask_of_another_size_is_refused_in_one_line_and_can_be_cropped(tmp_path):
    save(tmp_path / "images/a.png", np.zeros((20, 20, 3), np.uint8))
    save(tmp_path / "masks/a.png", DUBAI.decode(stripes(19, 21, 0, 1)))
    pair = open_dataset(tmp_path).pairs[0]
    with pytest.raises(MaskError, match=r"mask of a has 19 x 21 pixels.*Expected the size of its image, 20 x 20"):
        pair.labels(DUBAI)
    apply_remedy(tmp_path, Remedies(crop=("a",)))
    assert open_dataset(tmp_path).pairs[0].labels(DUBAI).shape == (19, 20)


def test_corrections_that_are_made_at_once_are_all_kept(tmp_path):
    together = Barrier(8)

    def correct(name):
        together.wait()
        apply_remedy(tmp_path, Remedies(exclude=(name,)))

    people = [Thread(target=correct, args=(f"scene{number}",)) for number in range(8)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert sorted(read_remedies(tmp_path).exclude) == [f"scene{number}" for number in range(8)]
    assert [path.name for path in tmp_path.iterdir()] == ["groundline.json"]  # no lock in the user's folder


@pytest.mark.parametrize("content", [[], ["notes.txt"], ["images/a.png"]])
def test_a_folder_without_pairs_is_refused_in_one_line(tmp_path, content):
    for name in content:
        save(tmp_path / name, np.zeros((8, 8, 3), np.uint8)) if name.endswith("png") else (tmp_path / name).write_text("x")
    with pytest.raises(DatasetError) as caught:
        open_dataset(tmp_path)
    assert "\n" not in str(caught.value)
    assert "images/ and masks/" in str(caught.value)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="nothing at"):
        open_dataset(tmp_path / "nowhere")


def test_three_thousand_pairs_open_no_image(tmp_path):
    """Files that are no images prove it: opening one would fail. Only masks are sampled, and one of them is real."""
    for k in range(3000):
        for kind in ("images", "masks"):
            path = tmp_path / kind / f"scene_{k:04d}.tif"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"")
    save(tmp_path / "masks/scene_0000.tif", DUBAI.decode(stripes(8, 8, 0, 1)))
    dataset = open_dataset(tmp_path)
    assert len(dataset.pairs) == 3000
    assert dataset.scheme == DUBAI


def test_remedies_are_read_beside_the_data(make_tiles):
    ids = stripes(16, 16, 0, 4)
    root = make_tiles({"Tile 1": [ids, ids], "Tile 2": [ids]})
    before = open_dataset(root)
    apply_remedy(root, Remedies(exclude=("Tile 2/image_part_001",), groups={"Tile 1/image_part_002": "east"}))
    apply_remedy(root, Remedies(shifts_px={"Tile 1/image_part_001": (2, -3)}, ignore_colours=("#000000",)))
    dataset = open_dataset(root)
    assert [pair.group for pair in dataset.pairs] == ["Tile 1", "east"]
    moved = dataset.pairs[0].labels(dataset.scheme)
    np.testing.assert_array_equal(moved[2:, :-3], ids[:-2, 3:])
    assert set(moved[:2].ravel()) == set(moved[:, -3:].ravel()) == {255}
    # A window reads the same as the whole.
    np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme, Window(1, 10, 4, 6)), moved[1:5, 10:16])
    assert (0, 0, 0) in dataset.scheme.ignored_colours
    assert dataset.digest != before.digest


def test_a_remedy_file_that_makes_no_sense_is_not_passed_over(make_tiles):
    root = make_tiles({"Tile 1": [stripes(16, 16, 0, 4)]})
    (root / "groundline.json").write_text('{"shifts_px": [1]}')
    with pytest.raises(DatasetError, match="groundline.json cannot be understood"):
        open_dataset(root)


def test_the_dubai_tiles(dubai):
    dataset = open_dataset(dubai)
    assert len(dataset.pairs) == 54
    assert dataset.groups == ("Tile 1", "Tile 2", "Tile 4", "Tile 5", "Tile 6", "Tile 7")
    assert dataset.scheme == DUBAI
    assert dataset.unpaired == ()
    assert dataset.scheme_source.startswith("palette of the Dubai set")
