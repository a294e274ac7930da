from __future__ import annotations

from pathlib import Path

import pytest

from core.datasets.pairing import match_folder, name_groups


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not opened")
    return root


def found(root: Path) -> dict[str, tuple[str, str]]:
    return {m.name: (m.masks[0].relative_to(root).as_posix(), m.group) for m in match_folder(root).matches}


def test_the_dubai_layout_groups_by_tile_and_counts_tiles_as_people_do(tmp_path):
    touch(
        tmp_path,
        *(
            f"Tile {t}/{kind}/image_part_00{k}.{end}"
            for t in (10, 2)
            for k in (1, 2)
            for kind, end in (("images", "jpg"), ("masks", "png"))
        ),
    )
    result = found(tmp_path)
    assert list(result) == ["Tile 2/image_part_001", "Tile 2/image_part_002", "Tile 10/image_part_001", "Tile 10/image_part_002"]
    assert result["Tile 10/image_part_002"] == ("Tile 10/masks/image_part_002.png", "Tile 10")


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images", "masks"),
        ("img", "mask"),
        ("image", "label"),
        ("Images", "Labels"),
        ("images_png", "masks_png"),
        ("train_images", "train_labels"),
    ],
)
def test_folders_by_many_names(tmp_path, images, masks):
    touch(tmp_path, f"{images}/a.tif", f"{masks}/a.png", f"{images}/b.tif", f"{masks}/b.png")
    result = found(tmp_path)
    assert [name[-1] for name in result] == ["a", "b"]
    assert [Path(mask).stem for mask, _ in result.values()] == ["a", "b"]


def test_masks_beside_their_scenes(tmp_path):
    touch(tmp_path, "north.tif", "north_mask.tif", "south.tif", "south_label.tif", "readme.txt")
    assert found(tmp_path) == {"north": ("north_mask.tif", "north"), "south": ("south_label.tif", "south")}


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("austin_1.tif", "austin_label.tif"),
        ("austin-01.tif", "austin-gt.png"),
        ("austin.tif", "austin_mask_1.tif"),
        ("austin_part_3.jpg", "austin_labels.png"),
        ("austin_1.tif", "austin_0001_label.tif"),
        ("images/austin_07.tif", "masks/austin_7.tif"),
        ("images/img7.png", "masks/mask7.png"),
        ("images/austin_1.tif", "labels/austin.tif"),
    ],
)
def test_numbers_that_one_of_the_two_has_alone_or_writes_otherwise(tmp_path, image, mask):
    touch(tmp_path, image, mask, image.replace("austin", "boston").replace("7", "8"), mask.replace("austin", "boston").replace("7", "8"))
    matches = match_folder(tmp_path)
    assert (tmp_path / image, (tmp_path / mask,)) in [(m.image, m.masks) for m in matches.matches]
    assert len(matches.matches) == 2 and matches.unpaired == ()


def test_where_two_would_fit_nothing_is_guessed(tmp_path):
    touch(tmp_path, "austin_1.tif", "austin_2.tif", "austin_label.tif", "boston_1.tif", "boston_1_label.tif", "boston_label.tif")
    matches = match_folder(tmp_path)
    assert [m.name for m in matches.matches] == ["boston_1"]
    assert {path.name for path in matches.unpaired} == {"austin_1.tif", "austin_2.tif", "austin_label.tif", "boston_label.tif"}


def test_words_for_image_and_mask_in_the_file_names(tmp_path):
    touch(tmp_path, "img/image_1.h5", "mask/mask_1.h5", "img/image_12.h5", "mask/mask_12.h5")
    assert [m.masks[0].name for m in match_folder(tmp_path).matches] == ["mask_1.h5", "mask_12.h5"]


def test_images_below_a_common_folder_keep_their_tile(tmp_path):
    touch(tmp_path, "images/east/1.png", "masks/east/1.png", "images/west/1.png", "masks/west/1.png")
    assert {name: group for name, (_, group) in found(tmp_path).items()} == {"east/1": "east", "west/1": "west"}


def test_files_without_partner_are_told_and_a_stray_picture_is_not_an_image(tmp_path):
    touch(tmp_path, "images/a.png", "masks/a.png", "images/b.png", "masks/c.png", "legend.png", ".hidden/images/z.png")
    matches = match_folder(tmp_path)
    assert [m.name for m in matches.matches] == ["a"]
    assert [path.name for path in matches.unpaired] == ["b.png", "c.png"]
    assert [path.name for path in matches.images_alone] == ["b.png"]


def test_one_mask_file_for_each_class(tmp_path):
    touch(tmp_path, "images/a.png", "masks/a_road.png", "masks/a_water.png", "images/b.png", "masks/road/b.png", "masks/water/b.png")
    matches = {m.name: m for m in match_folder(tmp_path).matches}
    assert matches["a"].mask_classes == matches["b"].mask_classes == ("road", "water")
    assert [path.relative_to(tmp_path).as_posix() for path in matches["b"].masks] == ["masks/road/b.png", "masks/water/b.png"]
    assert match_folder(tmp_path).unpaired == ()


@pytest.mark.parametrize(
    ("stems", "groups"),
    [
        (["tile3_07", "tile3_08", "tile4_01"], ["tile3", "tile3", "tile4"]),
        (["a_r0_c0", "a_r0_c1", "b_r0_c0"], ["a", "a", "b"]),  # rows and columns both go
        (["chip_0_0", "chip_0_1", "chip_1_0", "chip_1_1"], ["chip"] * 4),  # rows and columns of one grid
        (["a_1_1", "a_1_2", "a_2_1", "a_2_2"], ["a_1", "a_1", "a_2", "a_2"]),  # counted from 1: tile and part
        (["image_1", "image_2"], ["image_1", "image_2"]),  # one prefix for all says nothing
        (["city_12_07", "city_12_08", "city_13_01"], ["city_12", "city_12", "city_13"]),
        (["north", "south"], ["north", "south"]),
        (["only"], ["only"]),
    ],
)
def test_groups_from_names(stems, groups):
    assert name_groups(stems) == groups


def test_train_and_val_folders_are_no_groups(tmp_path):
    touch(tmp_path, *(f"{part}/{kind}/{name}.png" for part in ("train", "val") for kind in ("images", "masks") for name in ("x", "y")))
    result = found(tmp_path)
    assert set(result) == {"train/x", "train/y", "val/x", "val/y"}
    assert {group for _, group in result.values()} == {"x", "y"}
