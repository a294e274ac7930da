"""The next place to look at: doubtful, unlike what was painted, spread over area and classes, and never one that was visited."""

import numpy as np

from core.labelling.doubtful import Survey, doubt_of, next_place
from core.scenes.scene import Window

WHOLE = Window(0, 0, 40, 60)


def surveyed(doubt, unlike=None, ids=None, step_px=10):
    """Of cells (4, 6), 10 pixels each, all of class 0 where nothing else is said."""
    doubt = np.asarray(doubt, np.float32)
    unlike = np.zeros_like(doubt) if unlike is None else np.asarray(unlike, np.float32)
    return Survey(WHOLE, step_px, doubt, unlike, np.zeros(doubt.shape, np.int16) if ids is None else np.asarray(ids, np.int16))


VIEW = (20, 20)


def test_doubt_is_the_lead_that_is_missing():
    """0.5 - 0.3 = 0.2 and 0.9 - 0.1 = 0.8 lead; the last pixel is nowhere."""
    doubt, ids = doubt_of(np.array([[[0.5, 0.2, 0.3], [0.1, 0.9, 0.0], [0, 0, 0]]], np.float32))
    assert np.allclose(doubt, [[0.8, 0.2, 0]]) and ids.tolist() == [[0, 1, -1]]


def test_the_most_doubtful_view_comes_first():
    doubt = np.full((4, 6), 0.1)
    doubt[2:4, 2:4] = 0.6
    assert next_place(surveyed(doubt), [], view_px=VIEW) == Window(20, 20, 20, 20)


def test_of_equal_doubt_the_ground_unlike_what_was_painted_comes_first():
    """0.4 at a place as painted counts 0.4; 0.3 at the most unlike one 0.3 * 2."""
    doubt, unlike = np.full((4, 6), 0.1), np.zeros((4, 6))
    doubt[0:2, 0:2], doubt[0:2, 4:6], unlike[0:2, 4:6] = 0.4, 0.3, 3.0
    assert next_place(surveyed(doubt, unlike), [], view_px=VIEW) == Window(0, 40, 20, 20)


def test_every_place_comes_once_and_then_none():
    found = surveyed(np.random.default_rng(0).random((4, 6)))
    visited = []
    while (place := next_place(found, visited, view_px=VIEW)) is not None:
        visited.append(place)
    assert len(visited) == len(set(visited)) == 6  # 2 x 3 views
    assert sum(one.pixels for one in visited) == WHOLE.pixels


def test_a_place_far_from_those_visited_comes_before_its_neighbour():
    """Views in a row, centres 2 cells apart: beside the visited one 2 / (2 + 4) = 0.33, two further 4 / 8 = 0.5 of the same doubt."""
    doubt = np.full((2, 6), 0.5)
    found = Survey(Window(0, 0, 20, 60), 10, doubt.astype(np.float32), np.zeros((2, 6), np.float32), np.zeros((2, 6), np.int16))
    assert next_place(found, [Window(0, 0, 20, 20)], view_px=VIEW) == Window(0, 40, 20, 20)


def test_a_class_that_was_not_looked_at_comes_before_one_that_was():
    """The view below is of the visited class: 0.5 * 2 / (2 + 4) / 2 = 0.08; the one across of another: 0.4 * 2.83 / (2.83 + 4) = 0.17."""
    ids, doubt = np.zeros((4, 4)), np.full((4, 4), 0.05)
    ids[2:, 2:], doubt[2:, 2:] = 1, 0.4
    doubt[2:, :2] = 0.5
    found = Survey(Window(0, 0, 40, 40), 10, doubt.astype(np.float32), np.zeros((4, 4), np.float32), ids.astype(np.int16))
    assert next_place(found, [Window(0, 0, 20, 20)], view_px=VIEW) == Window(20, 20, 20, 20)


def test_what_lies_outside_the_area_is_no_place():
    ids, doubt = np.full((4, 6), -1), np.zeros((4, 6))
    ids[2:, 2:4], doubt[2:, 2:4] = 0, 0.01
    found = surveyed(doubt, ids=ids)
    place = next_place(found, [], view_px=VIEW)
    assert place == Window(20, 20, 20, 20)
    assert next_place(found, [place], view_px=VIEW) is None


def test_a_survey_of_a_window_counts_from_its_corner():
    found = Survey(
        Window(100, 200, 20, 40), 10, np.array([[0, 0, 1, 1], [0, 0, 1, 1]], np.float32), np.zeros((2, 4)), np.zeros((2, 4), int)
    )
    assert next_place(found, [], view_px=VIEW) == Window(100, 220, 20, 20)
