"""Settings check themselves, and are read from and written into requests, old ones too; sums and sentences by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from core.errors import SettingsError
from core.settings import REQUIRED, Settings, group, options, request_options, setting


@dataclass(frozen=True)
class Laying(Settings):
    overlap: float = setting(0.5, "of a patch with the next one", low=0, high=0.9)
    symmetries: int = setting(1, "flips and turns", choices=(1, 8))


@dataclass(frozen=True)
class Asked(Settings):
    scene: Path = setting(REQUIRED, "a raster", flag="SCENE")
    files: tuple[Path, ...] = setting((), "files to write")
    classes: tuple[str, ...] | None = setting(None, "only these", key="classes_only")
    squared: bool | tuple[str, ...] = setting(False, "classes to square", key="regularize")
    laying: Laying = group(Laying())
    learning: Laying = group(Laying(), key="settings")
    sizes: tuple[int, ...] = setting((4, 8), "batch sizes", low=1)
    area: str | float = setting("4px", "an area")


def test_keys_of_a_request_are_those_of_old_and_need_not_be_the_names():
    request = {"scene": "a.tif", "classes_only": ["Road"], "regularize": True, "overlap": 0.25, "settings": {"symmetries": 8}, "else": 1}
    asked = Asked.from_request(request)
    assert asked == Asked(Path("a.tif"), classes=("Road",), squared=True, laying=Laying(0.25), learning=Laying(symmetries=8))
    assert asked.to_request() == {
        "scene": "a.tif",
        "files": [],
        "classes_only": ["Road"],
        "regularize": True,
        "overlap": 0.25,
        "symmetries": 1,
        "settings": {"overlap": 0.5, "symmetries": 8},
        "sizes": [4, 8],
        "area": "4px",
    }
    assert Asked.from_request(asked.to_request()) == asked


def test_plain_values_there_and_back():
    asked = Asked("a.tif", files=["b.gpkg", Path("c.csv")], squared=["Building"], sizes=[2])
    assert asked.files == (Path("b.gpkg"), Path("c.csv")) and asked.squared == ("Building",) and asked.sizes == (2,)
    assert Asked.from_dict(asked.to_dict()) == asked
    assert hash(Asked("a.tif")) == hash(Asked(Path("a.tif")))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"laying": {"overlap": 1}}, "overlap 1. Expected a number from 0 to 0.9. Change overlap."),
        ({"laying": {"symmetries": 2}}, "symmetries 2. Expected one of 1, 8. Change symmetries."),
        ({"sizes": [4, 0]}, r"sizes \[4, 0\]. Expected a list of whole numbers from 1. Change sizes."),
        ({"classes": "Road"}, "classes_only 'Road'. Expected a list of names. Change classes_only."),
        ({"squared": "Road"}, "regularize 'Road'. Expected true or false or a list of names. Change regularize."),
        ({"area": None}, "area None. Expected a text or a number. Change area."),
        ({"laying": {"size": 2}}, r"unknown settings \['size'\]. Expected some of \['overlap', 'symmetries'\]. Remove or rename them."),
    ],
)
def test_what_does_not_fit_is_said_with_what_would(change, sentence):
    with pytest.raises(SettingsError, match=f"^{sentence}$"):
        Asked("a.tif", **change)


def test_a_whole_number_is_no_truth_and_no_number_is_nan():
    for wrong in (True, float("nan"), "0.5", None):
        with pytest.raises(SettingsError, match="overlap"):
            Laying(overlap=wrong)
    assert Laying(overlap=0).overlap == 0


def test_options_tell_flags_keys_and_what_is_a_path():
    told = {option.name: (option.key, option.flag, option.path, option.required) for option in options(Asked)}
    assert told["scene"] == ("scene", "SCENE", True, True)
    assert told["files"] == ("files", "--files", True, False)
    assert told["classes"] == ("classes_only", "--classes-only", False, False)
    keys = [option.key for option in request_options(Asked)]
    assert keys == ["scene", "files", "classes_only", "regularize", "overlap", "symmetries", "settings", "sizes", "area"]
