from pathlib import Path

import pytest

from ui.input import typed_path


@pytest.mark.parametrize("typed", ["/data/my city", '"/data/my city"', '  "/data/my city" \n'])
def test_a_pasted_path_loses_its_quotation_marks(typed: str) -> None:
    assert typed_path(typed) == Path("/data/my city")


def test_the_home_folder_is_meant_by_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("USERPROFILE", "/home/ada")

    assert typed_path("~/city") == Path("/home/ada/city")


@pytest.mark.parametrize("typed", ["", "  ", '""'])
def test_nothing_typed_is_no_path(typed: str) -> None:
    assert typed_path(typed) is None
