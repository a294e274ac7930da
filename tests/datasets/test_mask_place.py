"""A mask lies where it says: turned and moved ones are brought to the image's grid, others are refused until they are warped."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine

from core.audit.audit import audit
from core.datasets.datasets import open_dataset
from core.datasets.masks.placing import ELSEWHERE, MOVED, SAME, mask_place
from core.datasets.remedies import Remedies, apply_remedy
from core.errors import MaskError
from core.patches.prepare import prepare
from core.scenes.scene import Window
from tests.helpers.datasets import save

UTM = "EPSG:32631"
GRID = Affine(1, 0, 500_000, 0, -1, 4_000_000)
SIZE = 64


def ids() -> np.ndarray:
    """Class 1 in the northern quarter, class 2 in a corner of the south-east."""
    found = np.zeros((SIZE, SIZE), np.uint8)
    found[:16], found[50:, 40:] = 1, 2
    return found


def put(root, mask, transform, crs=UTM, *, image_crs=UTM, count=2):
    for k in range(count):
        bright = np.random.default_rng(k).integers(0, 60, (SIZE, SIZE, 3)).astype(np.uint8)
        bright[:16] += 180
        save(root / f"images/{k}.tif", bright, crs=image_crs, transform=GRID)
        save(root / f"masks/{k}.tif", mask, crs=crs, transform=transform)
    return root


def kind(root) -> str:
    pair = open_dataset(root).pairs[0]
    return mask_place(pair.image, pair.mask_file).kind


TURNED = {
    "rows from the south": (lambda m: m[::-1], Affine(1, 0, 500_000, 0, 1, 4_000_000 - SIZE)),
    "columns from the east": (lambda m: m[:, ::-1], Affine(-1, 0, 500_000 + SIZE, 0, -1, 4_000_000)),
    "a quarter turn": (lambda m: np.rot90(m), Affine(0, -1, 500_000 + SIZE, -1, 0, 4_000_000)),
    "both": (lambda m: m[::-1, ::-1], Affine(-1, 0, 500_000 + SIZE, 0, 1, 4_000_000 - SIZE)),
    "with a wider rim": (lambda m: np.pad(m, ((5, 3), (7, 2))), GRID * Affine.translation(-7, -5)),
}


@pytest.mark.parametrize("how", TURNED)
def test_turned_and_moved_masks_come_to_the_images_grid_exactly(tmp_path, how):
    turn, transform = TURNED[how]
    dataset = open_dataset(put(tmp_path, np.ascontiguousarray(turn(ids())), transform))
    assert kind(tmp_path) == MOVED
    pair = dataset.pairs[0]
    np.testing.assert_array_equal(pair.labels(dataset.scheme), ids())
    for window in (Window(0, 0, 9, 64), Window(13, 21, 40, 30), Window(63, 63, 1, 1)):
        np.testing.assert_array_equal(pair.labels(dataset.scheme, window), ids()[window.slices])
    np.testing.assert_array_equal(pair.labels_at(dataset.scheme, pair.image.window, (16, 16)), ids()[2::4, 2::4])
    found = audit(dataset)
    assert found.counts.tolist() == [2 * n for n in (*np.bincount(ids().ravel()), 0)]
    (finding,) = [one for one in found.findings if one.code == "mask_turned"]
    assert finding.severity == "info"
    # Both scenes show one picture: joined, they would be split by blocks with a guard between.
    whole = {"patch_size": 16, "stride": 16, "not_labelled": [], "min_labelled": 0.0, "same_ground": "apart"}
    store = prepare(dataset, tmp_path / "store", **whole)
    assert sum(int((np.asarray(store.masks[k]) == 1).sum()) for k in range(len(store.masks))) == 2 * 16 * SIZE


def test_pixel_for_pixel_is_a_remedy_too(tmp_path):
    put(tmp_path, ids(), Affine(1, 0, 500_000, 0, 1, 4_000_000 - SIZE))  # says that its rows run from the south; they do not
    dataset = open_dataset(tmp_path)
    np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme), ids()[::-1])
    (finding,) = [one for one in audit(dataset).findings if one.code == "mask_turned"]
    finding.remedy.apply(tmp_path)
    mended = open_dataset(tmp_path)
    np.testing.assert_array_equal(mended.pairs[0].labels(mended.scheme), ids())
    assert [one for one in audit(mended).findings if one.code == "mask_turned"] == []


def test_where_a_moved_mask_does_not_reach_nothing_is_labelled(tmp_path):
    binary = (ids() == 1).astype(np.uint8)
    put(tmp_path, binary[:, 10:], GRID * Affine.translation(10, 0))
    dataset = open_dataset(tmp_path)
    read = dataset.pairs[0].labels(dataset.scheme)
    assert (read[:, :10] == 255).all()
    np.testing.assert_array_equal(read[:, 10:], binary[:, 10:])


@pytest.mark.parametrize("off", [0.0, 0.3, -0.45])
def test_less_than_half_a_pixel_is_the_same_place(tmp_path, off):
    put(tmp_path, ids(), GRID * Affine.translation(off, off))
    dataset = open_dataset(tmp_path)
    assert kind(tmp_path) == SAME and "mask_turned" not in [one.code for one in audit(dataset).findings]
    np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme), ids())


def test_the_same_place_in_other_words_is_the_same_place(tmp_path):
    put(tmp_path, ids(), GRID, crs="EPSG:25831")  # ETRS89, zone 31: equal to WGS84 within a metre at most, here exactly
    assert kind(tmp_path) == SAME


def test_a_mask_without_coordinates_is_taken_pixel_for_pixel(tmp_path):
    for k in range(2):
        save(tmp_path / f"images/{k}.tif", np.zeros((SIZE, SIZE, 3), np.uint8), crs=UTM, transform=GRID)
        save(tmp_path / f"masks/{k}.png", ids())
    dataset = open_dataset(tmp_path)
    np.testing.assert_array_equal(dataset.pairs[0].labels(dataset.scheme), ids())


ELSE = {
    "another resolution": (lambda: ids()[::2, ::2], GRID * Affine.scale(2), UTM, "pixels of another size \\(2 times"),
    "between the pixels": (ids, GRID * Affine.translation(0.7, 0), UTM, "a grid that is .* off the image's"),
    "far away": (ids, GRID * Affine.translation(1000, 0), UTM, "its own place, 1000 pixels away from the image, and they share none"),
}


@pytest.mark.parametrize("how", ELSE)
def test_masks_elsewhere_are_refused_and_named_by_the_audit(tmp_path, how):
    mask, transform, crs, words = ELSE[how]
    dataset = open_dataset(put(tmp_path, np.ascontiguousarray(mask()), transform, crs))
    with pytest.raises(MaskError, match=f"mask 0.tif lies elsewhere than its image 0.tif: it has {words}"):
        dataset.pairs[0].labels(dataset.scheme)
    with pytest.raises(MaskError, match="lies elsewhere"):
        prepare(dataset, tmp_path / "store", patch_size=16, stride=16)
    code = "mask_apart" if how == "far away" else "mask_elsewhere"
    (finding,) = [one for one in audit(dataset).findings if one.code == code]
    assert finding.severity == "error" and finding.pairs == ("0", "1")
    assert finding.remedy.change.grid == dict.fromkeys(finding.pairs, "pixels" if how == "far away" else "warp")
    finding.remedy.apply(tmp_path)
    mended = audit(open_dataset(tmp_path))
    assert [one.code for one in mended.findings if one.severity == "error"] == []


def test_another_resolution_is_warped_by_nearest_pixels_on_request(tmp_path):
    coarse = ids()[::2, ::2]
    dataset = open_dataset(put(tmp_path, np.ascontiguousarray(coarse), GRID * Affine.scale(2)))
    next(one for one in audit(dataset).findings if one.code == "mask_elsewhere").remedy.apply(tmp_path)
    mended = open_dataset(tmp_path)
    expected = coarse.repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(mended.pairs[0].labels(mended.scheme), expected)
    np.testing.assert_array_equal(mended.pairs[0].labels(mended.scheme, Window(11, 3, 33, 50)), expected[11:44, 3:53])
    assert not [one for one in audit(mended).findings if one.severity == "error"]


def test_another_crs_is_warped_to_where_gdal_puts_it(tmp_path):
    from rasterio.vrt import WarpedVRT
    from rasterio.warp import calculate_default_transform

    bounds = rasterio.transform.array_bounds(SIZE, SIZE, GRID)
    transform, width, height = calculate_default_transform(UTM, "EPSG:3857", SIZE, SIZE, *bounds)
    rows, cols = np.mgrid[:height, :width]
    tilted = ((rows // 9 + cols // 7) % 3).astype(np.uint8)
    put(tmp_path, tilted, transform, "EPSG:3857")
    apply_remedy(tmp_path, Remedies(grid={"0": "warp", "1": "warp"}))
    dataset = open_dataset(tmp_path)
    read = dataset.pairs[0].labels(dataset.scheme)
    with (
        rasterio.open(tmp_path / "masks/0.tif") as file,
        WarpedVRT(file, crs=UTM, transform=GRID, width=SIZE, height=SIZE) as warped,
    ):
        known = warped.dataset_mask() > 0
        agree = (read == warped.read(1))[known & (read != 255)]
    assert agree.mean() > 0.995 and (read != 255).mean() > 0.95


def test_two_crs_that_cannot_be_compared_are_told(tmp_path):
    local = 'LOCAL_CS["site",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
    dataset = open_dataset(put(tmp_path, ids(), Affine(1, 0, 7, 0, -1, 9), local))
    with pytest.raises(MaskError, match="lies elsewhere .* cannot be compared|the CRS site"):
        dataset.pairs[0].labels(dataset.scheme)
    assert kind(tmp_path) == ELSEWHERE
