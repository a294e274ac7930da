"""Numbers as people read them, and names of others that have no effect."""

import math
import time

import pytest

from core.plain import in_chart, in_markdown, in_table, out_of_table
from core.words import (
    area_words,
    counted,
    duration_words,
    file_stem,
    length_words,
    listed,
    memory_words,
    number_words,
    sentence,
    share_words,
    size_words,
)


def test_areas_and_lengths_are_told_in_the_unit_that_reads_best():
    assert [area_words(value, "m") for value in (12.34, 50.4, 999.6, 25_000, 3_200_000)] == [
        "12.3 m²",
        "50.4 m²",
        "1,000 m²",
        "2.50 ha",
        "3.20 km²",
    ]
    assert [length_words(value, "m") for value in (4.72, 12.4, 250.3, 2440, 5000)] == ["4.7 m", "12.4 m", "250 m", "2.44 km", "5.00 km"]
    assert (area_words(1234, "px"), area_words(3.4, "px")) == ("1,234 px", "3 px")
    assert (length_words(1234.4, "px"), length_words(3.42, "px")) == ("1,234 px", "3.4 px")


def test_names_of_files_say_what_they_hold_and_of_which_day():
    today = time.strftime("%Y-%m-%d")
    assert file_stem("lake · my model/2", "filtered") == f"lake-my-model-2_filtered_{today}"
    assert file_stem("Tile_1", "", "…") == f"Tile_1_{today}"


def test_the_ends_of_an_interval_are_told_in_the_unit_of_its_middle():
    assert area_words(9405, "m", like=10_400) == "0.94 ha"


def test_sizes_are_told_with_a_unit_that_fits():
    assert [size_words(size) for size in (0, 7_300, 99_499, 100_000, 33_400_000, 1_250_000_000)] == [
        "0 kB",
        "7 kB",
        "99 kB",
        "0.1 MB",
        "33.4 MB",
        "1.25 GB",
    ]


def test_memory_is_told_in_the_units_that_it_is_limited_in():
    # 2560 MiB are 2.5 GiB.
    assert [memory_words(mib) for mib in (1.25, 12.3, 999, 2560)] == ["1.2 MiB", "12 MiB", "999 MiB", "2.5 GiB"]
    assert (memory_words(None), memory_words(math.inf)) == ("–", "–")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (89, "89 s"), (90, "2 min"), (150, "2 min"), (3000, "50 min"), (5400, "1.5 h"), (9000, "2.5 h")]
)
def test_durations_are_said_as_people_say_them(seconds, words):
    assert duration_words(seconds) == words


def test_what_is_not_known_is_a_dash():
    assert (duration_words(None), number_words(None), number_words(math.nan), number_words(0.12345)) == ("–", "–", "–", "0.123")


def test_counts_and_lists():
    told = ("no masks were found", "town.tif is no image", "'magic' is no model", "3 bands", "GDAL is missing")
    assert [sentence(one) for one in told] == ["No masks were found", *told[1:]]
    assert (share_words(0.125), share_words(0.1254, 1), share_words(1), share_words(float("nan"))) == ("12 %", "12.5 %", "100 %", "–")
    assert (counted(1, "image"), counted(3000, "image"), counted(2, "entry", "entries")) == ("1 image", "3,000 images", "2 entries")
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"], list("abcdef"))] == [
        "",
        "a",
        "a and b",
        "a, b and c",
        "a, b, c, d and 2 more",
    ]


# ---- names of others ----

# Seen in Chromium with Streamlit 1.67: each of these is shown letter by letter.
JOINER = "\u2060"


@pytest.mark.parametrize(
    "name, told",
    [
        ("scene_01 (b), 50 %", "scene_01 (b), 50 %"),
        ("![x](https://e.example/a.png)", f"!\\[x\\](https:{JOINER}//e.example/a.png)"),
        ("see www.e.example, a@e.example", f"see www{JOINER}.e.example, a@{JOINER}e.example"),
        (":material/home: :smile: :red[x]", f":{JOINER}material/home: :{JOINER}smile: \\:red\\[x\\]"),
        ("**a** _b_ __c__ d_e ~~f~~ `g` $h$", "\\*\\*a\\*\\* \\_b\\_ \\_\\_c\\_\\_ d_e \\~\\~f\\~\\~ \\`g\\` \\$h\\$"),
        ("<b>&lt;\\", "\\<b>\\&lt;\\\\"),
        ("# a\n\n| b |", "\\# a \\| b \\|"),
        ("- a", "\\- a"),
        ("10. a", "10\\. a"),
        ("12:30, C:\\data", "12:30, C:\\\\data"),
        ("a -> b <= c", f"a -{JOINER}> b \\<{JOINER}= c"),
    ],
)
def test_a_name_in_markdown_is_shown_letter_by_letter(name, told):
    assert in_markdown(name) == told


def test_a_name_in_a_chart_is_no_html_no_number_and_no_formula():
    assert in_chart("<b>a</b> & %{y} $x$") == "&lt;b&gt;a&lt;/b&gt; &amp; %&#8203;{y} &#36;x&#36;"


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''=1"])
def test_a_formula_in_a_table_is_text_and_comes_back(name):
    assert in_table(name) == f"'{name}" and out_of_table(in_table(name)) == name


@pytest.mark.parametrize("value", ["Road", "'Road'", "", "a=1", "1e5", -1.5, -3, None, True])
def test_what_is_no_formula_stays_in_a_table(value):
    assert in_table(value) is value and out_of_table(value) is value
