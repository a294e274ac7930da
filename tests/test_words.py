"""Numbers as people read them."""

import math

import pytest

from core.words import area_words, counted, duration_words, length_words, listed, memory_words, number_words, size_words


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
    assert (counted(1, "image"), counted(3000, "image"), counted(2, "entry", "entries")) == ("1 image", "3,000 images", "2 entries")
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"], list("abcdef"))] == [
        "",
        "a",
        "a and b",
        "a, b and c",
        "a, b, c, d and 2 more",
    ]
