"""Settings of a cut check themselves, and say the same as single words do."""

from __future__ import annotations

import pytest

from core.datasets.datasets import open_dataset
from core.errors import SettingsError
from core.patches.prepare import prepare
from core.patches.settings import PrepareSettings
from tests.helpers.datasets import stripes


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"patch_size": 4}, "patch size 4. Expected 8 to 8192 pixels. Choose another patch size."),
        ({"patch_size": 64, "stride": 65}, "stride 65 with patches of 64. Expected 1 pixel to the patch size. Choose another stride."),
        ({"split": "tile"}, "split 'tile'. Expected one of group, block, random. Change split."),
        ({"validation": 0.6, "test": 0.4}, "shares of 0.6 for validation and 0.4 for test"),
        ({"test": 0.8}, "shares of 0.2 for validation and 0.8 for test"),
        ({"scale": "half"}, "scale 'half'. Expected a number. Change scale."),
        ({"hold_out": "a"}, "hold_out 'a'. Expected a list of names. Change hold_out."),
        ({"validation": -0.1}, "shares of -0.1 for validation and 0.0 for test. Expected shares that leave something to train on"),
        ({"counts": [400, -100, 30]}, r"counts \[400, -100, 30\]. Expected patches for training, validation and, where wanted, test"),
        ({"counts": [400]}, r"counts \[400\]"),
        ({"counts": [0, 100, 30]}, r"counts \[0, 100, 30\]"),
        ({"counts": [400, 100, 30], "test": 0.1}, "and shares besides. Expected one of the two"),
        ({"rim": "cut"}, "rim 'cut'. Expected one of fill, crop. Change rim."),
    ],
)
def test_settings_that_make_no_sense(change, sentence):
    with pytest.raises(SettingsError, match=sentence):
        PrepareSettings(**change)


def test_a_request_holds_what_it_always_held_and_is_read_again():
    settings = PrepareSettings(64, bands=[3, "b08"], hold_out=["east"])
    assert settings.to_request() == {
        "patch_size": 64,
        "stride": None,
        "min_labelled": 0.05,
        "split": "group",
        "validation": None,
        "test": None,
        "hold_out": ["east"],
        "seed": 0,
        "scale": 1.0,
        "bands": [3, "b08"],
        "not_labelled": None,
        "counts": None,
        "rim": "fill",
        "same_ground": "join",
    }
    assert PrepareSettings.from_request({**settings.to_request(), "dataset": "here"}) == settings
    assert settings.stride_px == 64 and settings.shares == (0.2, 0.0)
    assert PrepareSettings(64, 32, validation=0.0).shares == (0.0, 0.0)


def test_settings_and_single_words_cut_the_same_patches(make_tiles, tmp_path):
    tiles = open_dataset(make_tiles({f"Tile {k}": [stripes(41, 53, 0, 1, 2, 3, 4)] for k in (1, 2, 3)}))
    settings = PrepareSettings(patch_size=16, stride=12, seed=3)
    told = prepare(tiles, tmp_path / "told", patch_size=16, stride=12, seed=3)
    assert prepare(tiles, tmp_path / "settings", settings).record == told.record
    assert prepare(tiles, tmp_path / "both", settings, seed=4, stride=None).record["split"]["seed"] == 4
