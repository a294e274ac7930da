"""Progress for people: one line rewritten on a terminal, a few lines in a file, nothing for what is over at once."""

import io

import pytest

from core import progress_line
from core.progress_line import ProgressLine, bar, describe


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def as_for_people(monkeypatch):
    """The tests of commands wait longer for their first line, see tests/conftest.py."""
    monkeypatch.setattr(progress_line, "_FIRST_LINE_S", 1.0)


def test_a_terminal_gets_one_line_that_is_rewritten_and_taken_away():
    stream, clock = Terminal(), Clock()
    line = ProgressLine(stream, clock=clock)
    line(0, 10, "Windows")
    clock.now += 2.0
    line(2, 10, "Windows")
    line.clear()
    text = stream.getvalue()
    assert "\n" not in text
    shown = text.split("\r\x1b[2K")
    assert "  0 %  Windows" in shown[1]
    # 2 of 10 in 2 s: 8 s left.
    assert " 20 %  Windows  8 s left" in shown[2]
    assert shown[3] == ""


def test_a_terminal_is_not_written_to_more_than_ten_times_a_second():
    stream, clock = Terminal(), Clock()
    line = ProgressLine(stream, clock=clock)
    for done in range(100):
        clock.now += 0.01
        line(done, 1000, "Windows")
    # One second in steps of 0.01 s, and a line every 0.1 s; the first one comes at once.
    assert 9 <= stream.getvalue().count("\r") <= 11


def test_a_file_gets_a_line_every_ten_seconds_and_none_in_the_first():
    stream, clock = io.StringIO(), Clock()
    line = ProgressLine(stream, clock=clock)
    for second in range(0, 31):
        clock.now = 50.0 + second
        line(second, 30, "Windows")
    line.clear()
    # At seconds 1, 11 and 21.
    assert stream.getvalue().splitlines() == ["  3 %  Windows  29 s left", " 36 %  Windows  19 s left", " 70 %  Windows  9 s left"]


def test_what_ends_at_once_leaves_a_file_empty():
    stream, clock = io.StringIO(), Clock()
    ProgressLine(stream, clock=clock)(1, 2, "Windows")
    assert stream.getvalue() == ""


def test_what_is_not_known_is_left_out():
    assert describe(3, 0, "Opening\nthe model", None) == "Opening the model"
    assert describe(1, 3, "", 0.2) == " 33 %"


def test_the_bar_is_full_at_the_end_and_empty_when_nothing_is_known():
    assert bar(0, 0).count("#") == 0
    assert bar(1, 2).count("#") == bar(1, 2).count(".") == 12
    assert bar(2, 2).count("#") == 24 and bar(3, 2) == bar(2, 2)
