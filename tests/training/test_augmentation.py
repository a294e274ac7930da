from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from core.classes import ClassScheme
from core.errors import SettingsError
from core.training.augmentation import LARGEST, NONE, Augmentation
from core.training.previews import GAP_PX, augmented, recoloured, save_preview


def patch(height=24, width=24, bands=3, dtype=np.uint8):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 3, (height, width)).astype(np.uint8)
    image = (ids[..., None] * 80 + rng.integers(0, 9, (height, width, bands))).astype(dtype)
    return image, ids


def test_equal_seeds_are_equal_and_others_differ():
    image, ids = patch()
    first, again, other = (Augmentation(cutout=0.3, blur_chance=0.5).apply(image, ids, seed=seed) for seed in ((1, 2), (1, 2), (1, 3)))
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


def test_switched_off_changes_nothing():
    image, ids = patch()
    out, mask = NONE.apply(image, ids, seed=(5,))
    np.testing.assert_allclose(out, image, atol=1e-3)
    assert np.array_equal(mask, ids)


def test_flips_and_turns_move_image_and_mask_together():
    image, ids = patch()
    moved = replace(NONE, flips=True, quarter_turns=True)
    seen = set()
    for seed in range(40):
        out, mask = moved.apply(image, ids, seed=(seed,))
        np.testing.assert_allclose(out // 80, np.repeat(mask[..., None], 3, 2), atol=0)
        assert np.array_equal(np.bincount(mask.ravel()), np.bincount(ids.ravel()))
        seen.add(mask.tobytes())
    assert len(seen) == 8  # all symmetries of the square


def test_a_patch_that_is_not_square_keeps_its_shape():
    image, ids = patch(height=12, width=20)
    for seed in range(10):
        out, mask = Augmentation().apply(image, ids, seed=(seed,))
        assert out.shape == (12, 20, 3) and mask.shape == (12, 20)


def test_masks_hold_no_new_class_and_what_comes_from_outside_is_ignored():
    image, ids = patch()
    found = set()
    for seed in range(20):
        _, mask = replace(NONE, zoom=0.5, shift=0.3).apply(image, ids, seed=(seed,))
        found |= set(np.unique(mask).tolist())
    assert found == {0, 1, 2, 255}


def test_a_move_by_hand():
    # With no zoom, and the same move for image and mask, each inner pixel still carries its own class.
    ids = np.tile(np.repeat(np.arange(3, dtype=np.uint8), 8), (24, 1))
    image = (ids[..., None] * 100).astype(np.float32)
    out, mask = replace(NONE, shift=0.25).apply(image, ids, seed=(3,))
    labelled = mask != 255
    assert labelled.sum() < mask.size
    # A pixel lies at most half a pixel from its source, so linear and nearest agree to half a class step.
    assert np.abs(out[labelled][:, 0] - mask[labelled] * 100.0).max() <= 50 + 1e-3


def test_nodata_stays_nodata_and_does_not_spread():
    image, ids = patch(dtype=np.float32)
    image[:4, :4] = np.nan
    out, _ = replace(Augmentation(), zoom=0.0, shift=0.0, flips=False, quarter_turns=False).apply(image, ids, seed=(1,))
    assert np.array_equal(np.isnan(out), np.isnan(image))


def test_cutout_is_ignored_in_the_mask():
    image, ids = patch()
    masks = [replace(NONE, cutout=0.5).apply(image, ids, seed=(seed,))[1] for seed in range(8)]
    assert any((mask == 255).any() for mask in masks)


@pytest.mark.parametrize("bands", [1, 4, 12])
def test_any_number_of_bands(bands):
    image, ids = patch(bands=bands, dtype=np.uint16)
    out, _ = Augmentation(blur_chance=1.0).apply(image, ids, seed=(0,))
    assert out.dtype == np.float32 and out.shape == image.shape and np.isfinite(out).all()


def test_the_input_is_not_changed():
    image, ids = patch()
    before = image.copy(), ids.copy()
    Augmentation(cutout=0.5).apply(image, ids, seed=(0,))
    assert np.array_equal(image, before[0]) and np.array_equal(ids, before[1])


def test_a_third_of_the_circle_turns_red_into_green():
    image = np.zeros((8, 8, 3), np.float32)
    image[..., 0] = 90
    image[4:] = 50  # grey lies on the axis of the turn and stays
    ids = np.zeros((8, 8), np.uint8)
    turns = [replace(NONE, hue=1 / 3).apply(image, ids, seed=(seed,))[0] for seed in range(60)]
    for out in turns:
        np.testing.assert_allclose(out.mean(2), image.mean(2), atol=1e-3)
        np.testing.assert_allclose(out[4:], 50, atol=1e-3)
    reds = np.array([out[0, 0] for out in turns])
    # From a third backwards (blue) to a third forwards (green), the pure colours being the ends.
    assert reds[:, 1].max() > 80 and reds[:, 2].max() > 80
    np.testing.assert_allclose((reds**2).sum(1), 90**2, rtol=1e-4)


def test_hue_is_for_three_bands_only():
    image, ids = patch(bands=4)
    np.testing.assert_allclose(replace(NONE, hue=0.5).apply(image, ids, seed=(1,))[0], image, atol=1e-3)


def test_a_crop_shows_a_part_of_the_patch_enlarged():
    rows, columns = np.mgrid[:40, :40].astype(np.float32)
    image, ids = np.stack([rows, columns], 2), np.zeros((40, 40), np.uint8)
    corners = []
    for seed in range(30):
        out, mask = replace(NONE, crop=0.5).apply(image, ids, seed=(seed,))
        steps = np.diff(out[:, 0, 0])
        assert steps.max() - steps.min() < 1e-3 and 0.5 <= steps[0] <= 1  # evenly spaced rows, enlarged at most twice
        assert not (mask == 255).any()  # nothing comes from outside
        corners.append((out[0, 0, 0], out[0, 0, 1]))
    assert np.ptp(corners, axis=0).min() > 5


@pytest.mark.parametrize("change", [{"zoom": -0.1}, {"hue": 0.6}, {"flips": 1}, {"noise": float("nan")}, {"blur_chance": True}])
def test_a_strength_out_of_range_is_named(change):
    with pytest.raises(SettingsError, match=next(iter(change))):
        Augmentation.from_dict(change)


def test_each_kind_that_is_a_number_has_a_largest_strength_at_which_it_works():
    image, ids = patch()
    for name, highest in LARGEST.items():
        out, mask = replace(NONE, **{name: highest}).apply(image, ids, seed=(3,))
        assert np.isfinite(out).all() and out.shape == image.shape and mask.shape == ids.shape


def test_the_preview_is_what_training_does_in_the_stretch_of_the_patch():
    image, ids = patch()
    pictures, masks = augmented(image, ids, Augmentation(), count=3, seed=4)
    changed, mask = Augmentation().apply(image, ids, seed=(4, 1))
    assert pictures.shape == (3, 24, 24, 3) and pictures.dtype == np.uint8
    assert np.array_equal(masks[1], mask) and np.array_equal(pictures[1], np.rint(changed).clip(0, 255))
    dark = np.full((8, 8, 1), 300, np.uint16)
    dark[:4] = 100
    bright = augmented(dark, np.zeros((8, 8), np.uint8), replace(NONE, brightness=3.0), count=12)[0]
    assert len({picture.tobytes() for picture in bright}) > 3  # a stretch of its own would make them all equal


def test_previews_are_shown_in_other_colours_and_patches_stay_as_they_are(tmp_path):
    classes = ClassScheme(("Water", "Snow"), ((226, 169, 41), (255, 255, 255)))
    # A patch that wears a class's own colour, an ignored pixel, and a class that is as white as the gaps.
    image = np.full((4, 6, 3), (226, 169, 41), np.uint8)
    truth, answer = np.zeros((4, 6), np.uint8), np.ones((4, 6), np.uint8)
    truth[0, 0] = 255
    path = save_preview(tmp_path / "sheet.png", np.stack([image, image]), np.stack([truth, truth]), np.stack([answer, answer]), classes)
    sheet, shown = np.asarray(Image.open(path)), classes.coloured("natural", {"Snow": (1, 2, 3)})
    fresh = recoloured(sheet, classes, shown)
    water = shown.colours[0]
    assert water != (226, 169, 41) and fresh.shape == sheet.shape == (4 + GAP_PX + 4, 3 * 6 + 2 * GAP_PX, 3)
    for top in (0, 4 + GAP_PX):
        assert (fresh[top : top + 4, :6] == image).all()
        mask, prediction = fresh[top : top + 4, 6 + GAP_PX : 12 + GAP_PX], fresh[top : top + 4, 12 + 2 * GAP_PX :]
        assert (mask[0, 0] == sheet[0, 6 + GAP_PX]).all() and (mask[1:] == water).all() and (prediction == (1, 2, 3)).all()
    assert (fresh[4 : 4 + GAP_PX] == 255).all() and (fresh[:, 6 : 6 + GAP_PX] == 255).all()
    assert (recoloured(sheet, classes, classes) == sheet).all()
