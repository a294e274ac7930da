"""The map's script says areas and lengths as reports and pages do: it is handed their table."""

from urllib.parse import quote

import pytest

from core.words import UNITS, area_words, length_words
from core.workspace import STATIC

VALUES = (0, 0.26, 4.72, 50.4, 99.94, 100, 999.6, 1000, 5000, 9_999.4, 10_000, 25_000, 999_999, 1_000_000, 3_210_000)


@pytest.fixture
def words(browser):
    """`words("area", values, "m")` asks the script, on an empty page."""
    page = browser.new_page()
    script = "data:text/javascript," + quote((STATIC / "shared" / "words.js").read_text(encoding="utf-8"))
    page.evaluate("async ([script, units]) => { window.words = await import(script); window.words.readUnits(units); }", [script, UNITS])
    yield lambda what, values, units: page.evaluate(
        "([what, values, units]) => values.map(v => window.words[what](v, units))", [what, values, units]
    )
    page.close()


@pytest.mark.parametrize("units", ["m", "px"])
def test_the_map_and_the_pages_use_the_same_words(words, units):
    assert words("area", VALUES, units) == [area_words(value, units) for value in VALUES]
    assert words("length", VALUES, units) == [length_words(value, units) for value in VALUES]


def test_what_is_not_known_is_left_empty(words):
    assert words("area", [None], "m") == [""]
