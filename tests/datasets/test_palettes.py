from __future__ import annotations

import json

import numpy as np
import pytest

from core.classes import DUBAI, ClassScheme
from core.datasets.masks.outlines import count_codes
from core.datasets.masks.palettes import choose_scheme, discover, with_ignored
from core.datasets.masks.sampling import MaskSample, sample_masks, spread
from core.errors import MaskError
from core.scenes.opening import scene_of_array

BUILDING, WATER = 0x3C1098, 0xE2A929


def test_codes_are_counted_like_a_plain_unique():
    codes = np.random.default_rng(0).integers(0, 300, (40, 50))
    values, counts = np.unique(codes, return_counts=True)
    assert count_codes(codes) == dict(zip(values.tolist(), counts.tolist(), strict=True))


def test_a_class_file_that_explains_the_masks_is_used(tmp_path):
    path = tmp_path / "classes.json"
    path.write_text(json.dumps({"classes": [{"title": "Roof", "color": "#3C1098"}, {"title": "Sea", "color": "#E2A929"}]}))
    scheme, source = choose_scheme(MaskSample("colour", {BUILDING: 60, WATER: 40}), class_file=path)
    assert scheme.names == ("Roof", "Sea")
    assert source == "class file classes.json"


def test_a_wrong_class_file_gives_way_to_the_dubai_palette(tmp_path):
    path = tmp_path / "classes.json"
    path.write_text(json.dumps({"classes": [{"title": "Water", "color": "#50E3C2"}, {"title": "Unlabeled", "color": "#9B9B9B"}]}))
    scheme, source = choose_scheme(MaskSample("colour", {BUILDING: 60, 0x9B9B9B: 40}), class_file=path)
    assert scheme is DUBAI
    assert "classes.json does not agree" in source


def test_unknown_colours_become_classes_named_by_their_colour():
    scheme, source = choose_scheme(MaskSample("colour", {0x010203: 5, 0xFF0000: 5}), class_file=None)
    assert scheme.names == ("Class #010203", "Class #FF0000")
    assert scheme.colours == ((1, 2, 3), (255, 0, 0))
    assert source == "colours found in the masks"


def test_values_become_classes_and_255_is_not_labelled():
    assert discover(MaskSample("ids", {0: 9, 3: 1, 255: 4})).names == ("Class 0", "Class 3")
    assert discover(MaskSample("ids", {0: 9, 3: 1, 255: 4})).values == (0, 3)
    assert discover(MaskSample("ids", {0: 9, 1: 1, 2: 4})).values is None
    # A mask of 0 and 255 alone is the usual way to write yes and no.
    assert discover(MaskSample("ids", {0: 9, 255: 4})).values == (0, 255)


def test_of_the_many_colours_of_a_blurred_mask_only_frequent_ones_are_classes():
    counts = {BUILDING: 5000, WATER: 5000} | {0x100000 + k: 1 for k in range(100)}
    assert discover(MaskSample("colour", counts)).names == ("Class #3C1098", "Class #E2A929")


def test_names_of_a_class_file_are_lent_to_found_colours():
    names = ClassScheme(names=("Roof", "Sea"), colours=((1, 2, 3), (9, 9, 9)))
    assert discover(MaskSample("colour", {0x010203: 1, 0x040506: 3}), names).names == ("Roof", "Class #040506")


def test_a_sample_tells_colours_from_values():
    grey = scene_of_array(np.full((4, 4), 7, np.uint8))
    three = scene_of_array(np.full((4, 4, 3), 7, np.uint8))
    colour = scene_of_array(np.full((4, 4, 3), (7, 70, 7), np.uint8))
    assert sample_masks([lambda: grey]) == MaskSample("ids", {7: 16})
    assert sample_masks([lambda: grey, lambda: three]) == MaskSample("ids", {7: 32})
    # Beside a coloured mask the grey one means the colour (7, 7, 7).
    assert sample_masks([lambda: grey, lambda: colour, lambda: three]) == MaskSample("colour", {0x070707: 32, 0x074607: 16})
    with pytest.raises(MaskError, match="no mask that can be read"):
        sample_masks([])


def test_a_spread_choice_begins_at_both_ends_of_the_list():
    assert spread([1, 2, 3], 5) == [1, 3, 2]
    chosen = spread(list(range(100)), 8)
    assert sorted(chosen) == [0, 12, 25, 37, 50, 62, 75, 87]
    assert chosen[:2] == [0, 50]


def test_a_colour_of_a_class_cannot_be_ignored():
    scheme = with_ignored(DUBAI, ["#000000", "#3C1098", "#000000"])
    assert scheme.ignored_colours == ((155, 155, 155), (0, 0, 0))
    assert scheme.names == DUBAI.names
