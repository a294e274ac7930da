"""Masks of every spelling: what was written is what is read, or it is refused in one line."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image, ImageDraw

from core.audit.audit import audit
from core.classes import DUBAI
from core.datasets.datasets import open_dataset
from core.datasets.masks.outlines import soft_rims
from core.datasets.remedies import Remedies, apply_remedy
from core.errors import MaskError
from core.scenes.scene import Window
from tests.helpers.datasets import save, stripes

COLOURS = np.array([[10, 20, 160], [200, 41, 46], [10, 193, 28], [254, 1, 158], [240, 240, 41], [0, 90, 90]], np.uint8)


def random_ids(seed: int, classes: int = 4, height: int = 40, width: int = 56) -> np.ndarray:
    """Blocks of random class ids uint8 (h, w), every class among them."""
    rng = np.random.default_rng(seed)
    blocks = rng.permutation(np.arange(-(-height // 8) * -(-width // 8)) % classes).reshape(-(-height // 8), -1)
    return np.kron(blocks, np.ones((8, 8), int))[:height, :width].astype(np.uint8)


def one_hot(ids: np.ndarray, top: int, dtype: str) -> np.ndarray:
    return np.stack([(ids == k) * top for k in range(ids.max() + 1)], axis=2).astype(dtype)


def palette(path: Path, ids: np.ndarray, colours: list[tuple[int, int, int]]) -> None:
    image = Image.fromarray(ids, mode="P")
    image.putpalette([channel for colour in colours for channel in colour])
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def short_palette(path: Path, ids: np.ndarray, entries: int) -> None:
    """An 8-bit PNG whose palette has fewer entries than the pixels use."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.tobytes() for row in ids)
    table = b"".join(bytes(COLOURS[k]) for k in range(entries))
    header = struct.pack(">IIBBBBB", ids.shape[1], ids.shape[0], 8, 3, 0, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    body = chunk(b"IHDR", header) + chunk(b"PLTE", table) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


WRITERS = {
    "ids, PNG": lambda path, ids: save(path.with_suffix(".png"), ids),
    "ids, int32": lambda path, ids: save(path, ids.astype("int32")),
    "ids, float32": lambda path, ids: save(path, ids.astype("float32")),
    "ids over 255": lambda path, ids: save(path, (ids / 255).astype("float32")),
    "ids in three equal bands": lambda path, ids: save(path.with_suffix(".png"), np.dstack([ids] * 3)),
    "ids in red": lambda path, ids: save(path.with_suffix(".png"), np.dstack([ids, ids * 0, ids * 0])),
    "ids in blue": lambda path, ids: save(path, np.dstack([ids * 0, ids * 0, ids])),
    "ids in the second of two bands": lambda path, ids: save(path, np.dstack([ids * 0, ids]).astype("int16")),
    "one hot 0/1": lambda path, ids: save(path, one_hot(ids, 1, "uint8")),
    "one hot 0/255": lambda path, ids: save(path, one_hot(ids, 255, "uint8")),
    "one hot float": lambda path, ids: save(path, one_hot(ids, 1, "float32")),
    "colours": lambda path, ids: save(path.with_suffix(".png"), COLOURS[ids]),
    "colours with alpha": lambda path, ids: save(path.with_suffix(".png"), np.dstack([COLOURS[ids], np.full_like(ids, 255)])),
    "colours x 257": lambda path, ids: save(path, COLOURS[ids].astype("uint16") * 257),
    "colours x 256": lambda path, ids: save(path, COLOURS[ids].astype("uint16") * 256),
    "colours as uint16": lambda path, ids: save(path, COLOURS[ids].astype("uint16")),
    "colours from 0 to 1": lambda path, ids: save(path, (COLOURS[ids] / 255).astype("float32")),
    "palette": lambda path, ids: palette(path.with_suffix(".png"), ids, [tuple(c) for c in COLOURS.tolist()]),
    "palette with equal colours": lambda path, ids: palette(path.with_suffix(".png"), ids, [(9, 9, 9)] * 6),
    "palette of greys": lambda path, ids: palette(path.with_suffix(".png"), ids, [(k, k, k) for k in range(256)]),
    "palette that is too short": lambda path, ids: short_palette(path.with_suffix(".png"), ids, 3),
}


def masks(root: Path, write, ids_of_each: list[np.ndarray]) -> Path:
    for k, ids in enumerate(ids_of_each):
        save(root / f"images/{k}.png", np.random.default_rng(k).integers(0, 255, (*ids.shape, 3)).astype(np.uint8))
        write(root / f"masks/{k}.tif", ids)
    return root


@pytest.mark.parametrize("spelling", WRITERS)
@pytest.mark.parametrize("seed", range(3))
def test_what_was_written_is_read(tmp_path, spelling, seed):
    written = [random_ids(10 * seed + k, classes=4 + seed % 3 if "one hot" not in spelling else 4 + seed) for k in range(3)]
    dataset = open_dataset(masks(tmp_path, WRITERS[spelling], written))
    assert len(dataset.scheme) == written[0].max() + 1
    for pair, ids in zip(dataset.pairs, written, strict=True):
        read, strangers = pair.labels_and_strangers(dataset.scheme)
        assert strangers == {}
        # Classes of colours come in another order than the ids that were drawn.
        order = [int(read[ids == k][0]) for k in range(len(dataset.scheme))]
        assert sorted(order) == list(range(len(dataset.scheme)))
        np.testing.assert_array_equal(read, np.array(order, np.uint8)[ids])
        window = Window(3, 5, 30, 41)
        np.testing.assert_array_equal(pair.labels(dataset.scheme, window), read[window.slices])
        if dataset.kind == "ids":
            assert order == list(range(len(order)))


@pytest.mark.parametrize(
    ("spelling", "note"),
    [
        ("one hot 0/1", "The masks have a band for each of 4 classes; pixels in none of them are not labelled"),
        ("ids in blue", "The masks have 3 bands; the classes are the numbers in band 3, the others are equal to it or empty"),
        ("colours x 257", "The masks hold uint16: divided by 257 they are colours"),
        ("ids over 255", "The masks hold float32: multiplied by 255 they are class ids"),
        (
            "palette with equal colours",
            "The masks' palette says less than its numbers (equal colours, greys, or a table for each file), so the numbers count",
        ),
    ],
)
def test_what_was_understood_is_said(tmp_path, spelling, note):
    dataset = open_dataset(masks(tmp_path, WRITERS[spelling], [random_ids(1), random_ids(2)]))
    assert dataset.notes == (note,)
    assert [finding.sentence for finding in audit(dataset).findings if finding.code == "reading"] == [f"{note}."]


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (lambda rng: rng.random((16, 16)).astype("float32"), "holds numbers that are not whole, such as 0.*Expected class ids"),
        (lambda rng: rng.integers(0, 2, (16, 16, 5)).astype("uint8"), "has 5 bands that are neither colours nor one band for each class"),
        (lambda rng: rng.integers(0, 60000, (16, 16, 3)).astype("uint16"), "three bands of uint16 up to .* no colours of 8 bits"),
        (lambda rng: rng.integers(1, 9, (16, 16, 2)).astype("uint8"), "has 2 bands that are neither"),
    ],
)
def test_what_is_not_understood_is_refused_in_one_line(tmp_path, pixels, words):
    root = masks(tmp_path, lambda path, ids: save(path, pixels(np.random.default_rng(0))), [np.zeros((16, 16), np.uint8)])
    with pytest.raises(MaskError, match=words) as refused:
        open_dataset(root)
    assert "\n" not in str(refused.value) and "0.tif" in str(refused.value)


def test_masks_of_different_kinds_are_refused(tmp_path):
    masks(tmp_path, WRITERS["one hot 0/1"], [random_ids(0)])
    save(tmp_path / "images/b.png", np.zeros((40, 56, 3), np.uint8))
    save(tmp_path / "masks/b.tif", COLOURS[random_ids(1)])
    with pytest.raises(MaskError, match="masks of different kinds: .*a band for each class.*colours"):
        open_dataset(tmp_path)


def test_a_later_mask_that_breaks_the_guess_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("core.datasets.masks.sampling._SAMPLED_MASKS", 1)
    ids = random_ids(0)
    root = masks(tmp_path, WRITERS["one hot 0/1"], [ids, ids])
    both = one_hot(ids, 1, "uint8")
    both[:4, :4] = 1
    save(root / "masks/1.tif", both)
    save(root / "masks/2.tif", both)
    dataset = open_dataset(root)
    read, strangers = dataset.pairs[1].labels_and_strangers(dataset.scheme)
    assert strangers == {"bands that contradict each other": 16} and (read[:4, :4] == 255).all()


# Nodata, alpha and mask bands


def gaps(ids: np.ndarray) -> np.ndarray:
    hole = np.zeros(ids.shape, bool)
    hole[:10] = True
    return hole


def masked_band(path: Path, ids: np.ndarray) -> None:
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        save(path, ids)
        with rasterio.open(path, "r+") as file:
            file.write_mask(~gaps(ids))


HOLES = {
    "nodata -9999": lambda path, ids: save(path, np.where(gaps(ids), -9999, ids.astype(int)).astype("int16"), nodata=-9999),
    "nodata 255": lambda path, ids: save(path, np.where(gaps(ids), 255, ids).astype("uint8"), nodata=255),
    "nodata NaN": lambda path, ids: save(path, np.where(gaps(ids), np.nan, ids).astype("float32"), nodata=np.nan),
    "NaN, not declared": lambda path, ids: save(path, np.where(gaps(ids), np.nan, ids).astype("float32")),
    "a mask band": masked_band,
    "transparent colours": lambda path, ids: save(
        path.with_suffix(".png"), np.dstack([COLOURS[ids], np.where(gaps(ids), 0, 255)]).astype(np.uint8)
    ),
    "transparent grey": lambda path, ids: (
        path.parent.mkdir(exist_ok=True),
        Image.fromarray(np.dstack([ids, np.where(gaps(ids), 0, 255)]).astype(np.uint8), mode="LA").save(path.with_suffix(".png")),
    ),
}


@pytest.mark.parametrize("kind", HOLES)
def test_pixels_without_data_are_not_labelled_and_no_class(tmp_path, kind):
    ids = random_ids(3)
    dataset = open_dataset(masks(tmp_path, HOLES[kind], [ids, random_ids(4)]))
    found = audit(dataset)
    assert len(dataset.scheme) == 4 and found.off_palette == {}
    read = dataset.pairs[0].labels(dataset.scheme)
    np.testing.assert_array_equal(read == 255, gaps(ids))
    assert found.class_fractions()["Unlabeled"] == 0.25


@pytest.mark.parametrize("nodata", [0, -9999])
def test_beside_a_single_class_what_has_no_data_is_the_background(tmp_path, nodata):
    ids = random_ids(5, classes=2)
    write = lambda path, ids: save(path, np.where(ids == 1, 1, nodata).astype("int16"), nodata=nodata)  # noqa: E731
    dataset = open_dataset(masks(tmp_path, write, [ids]))
    assert dataset.scheme.names == ("Background", "Class 1")
    np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme), ids)
    assert "since only one class lies beside them" in dataset.notes[0]


def test_an_object_on_a_transparent_ground_is_told_from_it(tmp_path):
    ids = random_ids(6, classes=2)
    write = lambda path, ids: save(path.with_suffix(".png"), np.dstack([ids * 255, ids * 0, ids * 0, ids * 255]))  # noqa: E731
    dataset = open_dataset(masks(tmp_path, write, [ids]))
    assert dataset.scheme.names == ("Background", "Class #FF0000")
    np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme), ids)


# 255, soft rims, noise


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ((0, 255), (0, 255)),
        ((0, 128, 255), (0, 128, 255)),
        ((0, 51, 102, 153, 204, 255), (0, 51, 102, 153, 204, 255)),
        ((0, 1, 2, 255), (0, 1, 2)),
        ((1, 2, 255), (1, 2)),
    ],
)
def test_255_is_not_labelled_only_beside_small_numbers(tmp_path, values, classes):
    write = lambda path, ids: save(path.with_suffix(".png"), np.array(values, np.uint8)[ids])  # noqa: E731
    dataset = open_dataset(masks(tmp_path, write, [random_ids(7, classes=len(values))]))
    assert (dataset.scheme.values is None and classes == (0, 1, 2)) or dataset.scheme.values == classes


def soft(path: Path, ids: np.ndarray, values=(0, 255)) -> None:
    """A quadrangle drawn at four times the size and made smaller by averaging."""
    big = Image.new("L", (ids.shape[1] * 4, ids.shape[0] * 4), values[0])
    ImageDraw.Draw(big).polygon([(30, 20), (200, 12), (180, 150), (24, 130)], fill=values[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    big.resize((ids.shape[1], ids.shape[0]), Image.BOX).save(path.with_suffix(".png"))


def test_soft_rims_are_no_classes_and_can_be_split_in_the_middle(tmp_path):
    root = masks(tmp_path, soft, [np.zeros((40, 56), np.uint8)] * 3)
    dataset = open_dataset(root)
    assert dataset.scheme.values == (0, 255)
    (finding,) = [one for one in audit(dataset).findings if one.code == "off_palette"]
    assert finding.severity == "error" and "soft outlines" in finding.sentence
    assert finding.remedy.title == "Read them as the nearest class value"
    finding.remedy.apply(root)
    mended = open_dataset(root)
    grey = np.array(Image.open(root / "masks/0.png"))
    np.testing.assert_array_equal(mended.pairs[0].labels(mended.scheme), grey >= 128)
    assert [one for one in audit(mended).findings if one.code == "off_palette"] == []


def test_a_grey_jpeg_has_two_classes(tmp_path):
    ids = np.zeros((64, 64), np.uint8)
    ids[13:50, 21:45] = 255
    write = lambda path, ids: (path.parent.mkdir(exist_ok=True), Image.fromarray(ids).save(path.with_suffix(".jpg"), quality=60))  # noqa: E731
    dataset = open_dataset(masks(tmp_path, write, [ids]))
    assert dataset.scheme.values == (0, 255)
    codes = [one.code for one in audit(dataset).findings if one.severity == "error"]
    assert codes == ["off_palette", "lossy_masks"]


def test_smooth_outlines_between_colours_are_no_classes(tmp_path):
    big = np.kron(np.array([[0, 1], [2, 3]], np.uint8), np.ones((128, 128), np.uint8))
    write = lambda path, ids: (  # noqa: E731
        path.parent.mkdir(exist_ok=True),
        Image.fromarray(COLOURS[[0, 5, 2, 3]][big])
        .rotate(10, Image.BILINEAR, fillcolor=(10, 20, 160))
        .resize((64, 64), Image.BOX)
        .save(path.with_suffix(".png")),
    )
    dataset = open_dataset(masks(tmp_path, write, [np.zeros((64, 64), np.uint8)]))
    assert set(dataset.scheme.colours) == {tuple(colour) for colour in COLOURS[[0, 5, 2, 3]].tolist()}


def test_thin_classes_of_small_ids_stay_classes():
    ids = np.zeros((64, 64), int)
    ids[:, 20:], ids[:, 40:] = 2, 9
    ids[::9, :20], ids[::9, 22:38], ids[::7, 42:60] = 1, 5, 6  # lines of one pixel
    ids[40:60, 40:60] = 255
    counts = {int(k): int(n) for k, n in zip(*np.unique(ids, return_counts=True), strict=True)}
    assert soft_rims([ids], "ids", counts) == frozenset()


def test_colours_that_nearly_are_the_palettes_are_snapped_on_request(tmp_path):
    ids = random_ids(8)
    near = DUBAI.decode(ids).astype(int)
    near[:3, :9] += (1, -2, 1)
    root = masks(tmp_path, lambda path, ids: save(path.with_suffix(".png"), near.astype(np.uint8)), [ids])
    dataset = open_dataset(root)
    assert dataset.scheme == DUBAI
    (finding,) = [one for one in audit(dataset).findings if one.code == "off_palette"]
    assert finding.remedy.change == Remedies(snap=True)
    finding.remedy.apply(root)
    mended = open_dataset(root)
    np.testing.assert_array_equal(mended.pairs[0].labels(mended.scheme), ids)


def test_two_colours_that_are_one_do_not_make_two_classes(tmp_path):
    ids = stripes(40, 56, 5, 0)
    own = COLOURS[ids].copy()
    own[:2, 40:50] = (14, 18, 158)
    dataset = open_dataset(masks(tmp_path, lambda path, ids: save(path.with_suffix(".png"), own), [ids]))
    assert dataset.scheme.colours == ((0, 90, 90), (10, 20, 160))


def test_white_is_zero_is_read_as_pictures_show_it(tmp_path):
    ids = random_ids(9, classes=2)
    root = masks(tmp_path, lambda path, ids: save(path, ids * 255, photometric="MINISWHITE"), [ids])
    dataset = open_dataset(root)
    assert dataset.scheme.values == (0, 255) and "white is zero" in dataset.notes[0]
    np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme), 1 - ids)


# Class lists


@pytest.mark.parametrize(
    ("values", "colours", "order", "remark"),
    [
        ((0, 255), ("#112233", "#FF0000"), (0, 1), "in the order of the masks' values 0, 255"),
        ((0, 255), ("#FFFFFF", "#000000"), (1, 0), "whose greys are the masks' values"),
        ((1, 2, 3), ("#112233", "#FF0000", "#00FF00"), (0, 1, 2), "in the order of the masks' values 1, 2, 3"),
        ((0, 1, 2), ("#112233", "#FF0000", "#00FF00"), (0, 1, 2), "class file classes.json"),
    ],
)
def test_a_class_list_without_values_is_fitted_to_the_masks(tmp_path, values, colours, order, remark):
    ids = random_ids(11, classes=len(values))
    write = lambda path, ids: save(path.with_suffix(".png"), np.array(values, np.uint8)[ids])  # noqa: E731
    root = masks(tmp_path, write, [ids])
    named = {"classes": [{"name": f"c{k}", "colour": colour} for k, colour in enumerate(colours)]}
    (root / "classes.json").write_text(json.dumps(named))
    dataset = open_dataset(root)
    assert dataset.scheme_source.endswith(remark)
    np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme), np.array(order)[ids])


def test_a_public_palette_names_its_classes(tmp_path):
    ids = random_ids(12, classes=6)
    potsdam = np.array([[255, 255, 255], [0, 0, 255], [0, 255, 255], [0, 255, 0], [255, 255, 0], [255, 0, 0]], np.uint8)
    dataset = open_dataset(masks(tmp_path, lambda path, ids: save(path, potsdam[ids]), [ids]))
    assert dataset.scheme.names[:5] == ("Impervious surface", "Building", "Low vegetation", "Tree", "Car")
    assert dataset.scheme_source == "palette of the ISPRS sets (Potsdam, Vaihingen)"
    np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme), ids)


def test_three_pure_colours_are_nobodys_palette(tmp_path):
    pure = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    dataset = open_dataset(masks(tmp_path, lambda path, ids: save(path, pure[ids]), [random_ids(13, classes=3)]))
    assert dataset.scheme.names == ("Class #0000FF", "Class #00FF00", "Class #FF0000")


def test_a_remedy_that_snaps_is_taken_back(tmp_path):
    root = masks(tmp_path, soft, [np.zeros((40, 56), np.uint8)])
    apply_remedy(root, Remedies(snap=True))
    (step,) = open_dataset(root).remedies.steps()
    step.take_back(root)
    assert not (root / "groundline.json").exists() and not open_dataset(root).encoding.snap


def test_the_table_of_classes_that_a_public_set_ships_names_them(tmp_path):
    ids = random_ids(14, classes=3)
    root = masks(tmp_path, lambda path, ids: save(path.with_suffix(".png"), COLOURS[ids]), [ids])
    (root / "class_dict.csv").write_text("name,r,g,b\nsea,10,20,160\nroofs,200,41,46\ngrass,10,193,28\n")
    dataset = open_dataset(root)
    assert dataset.scheme.names == ("sea", "roofs", "grass") and dataset.scheme_source == "class file class_dict.csv"
    np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme), ids)


# What an adversary found


def many(root: Path, write, ids: np.ndarray, count: int = 40) -> Path:
    """A data set of 40 masks, of which the third lies outside the sample; `write(path, ids, odd)`."""
    for k in range(count):
        save(root / f"images/{k:02d}.png", np.random.default_rng(k).integers(0, 255, (*ids.shape, 3)).astype(np.uint8))
        write(root / f"masks/{k:02d}.tif", ids, k == 2)
    return root


def test_objects_that_few_masks_show_are_found_where_the_others_are_empty(tmp_path):
    ids = random_ids(20, classes=3)
    write = lambda path, ids, odd: save(path, COLOURS[ids] if odd else np.zeros((*ids.shape, 3), np.uint8))  # noqa: E731
    dataset = open_dataset(many(tmp_path, write, ids))
    assert len(dataset.scheme) == 4 and audit(dataset).off_palette == {}
    binary = (ids == 1).astype(np.uint8) * 255
    write = lambda path, ids, odd: save(path, binary if odd else binary * 0)  # noqa: E731
    assert open_dataset(many(tmp_path, write, ids)).scheme.values == (0, 255)


@pytest.mark.parametrize(
    "odd_one",
    [lambda ids: COLOURS[ids], lambda ids: one_hot(ids, 1, "uint8"), lambda ids: ids.astype("float32") / 3 + 0.1],
    ids=["colours", "one hot", "fractions"],
)
def test_one_mask_that_is_written_otherwise_is_named_and_not_misread(tmp_path, odd_one):
    ids = random_ids(21, classes=3)
    dataset = open_dataset(many(tmp_path, lambda path, ids, odd: save(path, odd_one(ids) if odd else ids), ids))
    np.testing.assert_array_equal(dataset.pairs[3].labels(dataset.scheme), ids)
    with pytest.raises(MaskError, match="02.tif"):
        dataset.pairs[2].labels(dataset.scheme)
    (finding,) = [one for one in audit(dataset).findings if one.code == "mask_unreadable"]
    assert finding.pairs == ("02",)


def test_one_mask_with_ids_in_another_band_is_read_by_its_own_form(tmp_path):
    ids = random_ids(22, classes=3)
    write = lambda path, ids, odd: save(path, np.dstack([ids * 0, ids, ids * 0]) if odd else ids)  # noqa: E731
    dataset = open_dataset(many(tmp_path, write, ids))
    np.testing.assert_array_equal(dataset.pairs[2].labels(dataset.scheme), ids)


def test_gaps_that_no_sampled_mask_had_are_told(tmp_path):
    ids = random_ids(23, classes=3)
    write = lambda path, ids, odd: save(path, ids, nodata=0 if odd else None)  # noqa: E731
    found = audit(open_dataset(many(tmp_path, write, ids)))
    assert found.off_palette == {"no data": int((ids == 0).sum())}


@pytest.mark.parametrize("colour", [(255, 0, 0), (255, 255, 255), (90, 90, 90)])
def test_an_overlay_of_one_colour_is_drawn_by_its_transparency(tmp_path, colour):
    ids = random_ids(24, classes=2)
    write = lambda path, ids: save(path.with_suffix(".png"), np.dstack([np.full((*ids.shape, 3), colour, np.uint8), ids * 255]))  # noqa: E731
    dataset = open_dataset(masks(tmp_path, write, [ids, random_ids(25, classes=2)]))
    assert dataset.scheme.names == ("Background", "Class 1")
    np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme), ids)


@pytest.mark.parametrize("listed", ["id", "value", "line"])
def test_class_lists_that_tell_the_numbers_or_begin_with_what_is_no_class(tmp_path, listed):
    ids = random_ids(26, classes=3)
    root = masks(tmp_path, lambda path, ids: save(path, ids), [ids])
    if listed == "line":
        (root / "class_dict.csv").write_text("name,r,g,b\nunlabeled,0,0,0\nroad,1,2,3\ngrass,4,5,6\n")
    else:
        classes = [{"name": name, "colour": f"#00000{k}", listed: k} for k, name in ((2, "grass"), (1, "road"), (0, "ground"))]
        (root / "classes.json").write_text(json.dumps({"classes": classes}))
    dataset = open_dataset(root)
    read = dataset.pairs[0].labels(dataset.scheme)
    names = np.array([*dataset.scheme.names, "-"])[np.minimum(read, len(dataset.scheme))]
    assert "grass" not in set(names[ids != 2]) and "road" not in set(names[ids != 1])
    if listed != "line":
        assert set(names[ids == 2]) == {"grass"} and set(names[ids == 1]) == {"road"}


@pytest.mark.parametrize("mark", [-1, -9999, -3.4028235e38])
def test_marks_of_missing_values_that_nobody_declared_are_no_class(tmp_path, mark):
    ids = random_ids(27, classes=3)
    write = lambda path, ids: save(path, np.where(ids == 2, mark, ids.astype(float)).astype("float32"))  # noqa: E731
    dataset = open_dataset(masks(tmp_path, write, [ids]))
    assert dataset.scheme.names == ("Class 0", "Class 1")
    np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme) == 255, ids == 2)
    told = [one.code for one in audit(dataset).findings]
    assert "off_palette" in told or "reading" in told


def test_many_codes_are_classes_each(tmp_path):
    codes = np.array([111 + 7 * k for k in range(40)], np.int16)
    ids = np.kron(np.arange(40).reshape(5, 8), np.ones((8, 8), int))
    dataset = open_dataset(masks(tmp_path, lambda path, ids: save(path, codes[ids]), [ids]))
    assert dataset.scheme.values == tuple(codes.tolist())


def test_colour_tables_of_each_files_own_say_less_than_their_numbers(tmp_path):
    drawn = [random_ids(30 + k, classes=3) for k in range(3)]
    tables = iter([[(0, 0, k), (90, k, 0), (k, 90, 200)] for k in (1, 120, 240)])
    dataset = open_dataset(masks(tmp_path, lambda path, ids: palette(path.with_suffix(".png"), ids, next(tables)), drawn))
    assert len(dataset.scheme) == 3
    for pair, ids in zip(dataset.pairs, drawn, strict=True):
        np.testing.assert_array_equal(pair.labels(dataset.scheme), ids)


def test_pages_of_a_tiff_are_not_read_in_part(tmp_path):
    from PIL import Image as Pages

    pages = [Pages.fromarray((random_ids(31) == k).astype(np.uint8)) for k in range(3)]
    root = masks(tmp_path, lambda path, ids: save(path, ids), [random_ids(31)])
    pages[0].save(root / "masks/0.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(MaskError, match="0.tif holds 3 pages of one size, of which only the first would be read"):
        open_dataset(root)


def test_masks_of_one_class_are_warned_of(tmp_path):
    dataset = open_dataset(masks(tmp_path, lambda path, ids: save(path, ids), [np.ones((40, 56), np.uint8)] * 2))
    assert "one_class" in [one.code for one in audit(dataset).findings]
