import numpy as np
import pytest

from core.classes import ClassScheme
from ui.evaluate import charts, pictures

SCHEME = ClassScheme(("Dark", "Middle", "Bright"), ((10, 20, 30), (200, 100, 0), (0, 100, 200)))
# Rows truth: Dark 8 right, 2 taken for Middle; Middle 3 right, 1 taken for Dark; Bright absent.
COUNTS = np.array([[8, 2, 0], [1, 3, 0], [0, 0, 0]])


def words(figure) -> list[list[str]]:
    texts = [annotation.text for annotation in figure.layout.annotations]
    return [texts[place : place + 3] for place in range(0, 9, 3)]


def test_the_matrix_shows_counts_and_shares_of_rows_and_columns():
    assert words(charts.confusion(SCHEME, COUNTS, "counts")) == [["8", "2", "0"], ["1", "3", "0"], ["0", "0", "0"]]
    # 8 / 10, 2 / 10; 1 / 4, 3 / 4; nothing is Bright.
    assert words(charts.confusion(SCHEME, COUNTS, "row")) == [
        ["80.0 %", "20.0 %", "0.0 %"],
        ["25.0 %", "75.0 %", "0.0 %"],
        ["–", "–", "–"],
    ]
    # 8 / 9, 2 / 5; 1 / 9, 3 / 5; nothing was predicted as Bright.
    assert words(charts.confusion(SCHEME, COUNTS, "column")) == [
        ["88.9 %", "40.0 %", "–"],
        ["11.1 %", "60.0 %", "–"],
        ["0.0 %", "0.0 %", "–"],
    ]


def test_the_hover_text_tells_both_shares():
    figure = charts.confusion(SCHEME, COUNTS, "row")
    right, wrong = figure.data[0].text[0][0], figure.data[1].text[0][1]
    assert right == "<b>Dark, right</b><br>8 pixels<br>80.0 % of what is Dark<br>88.9 % of what was predicted as Dark"
    assert wrong == "<b>Dark taken for Middle</b><br>2 pixels<br>20.0 % of what is Dark<br>40.0 % of what was predicted as Middle"


def contrast(first, second) -> float:
    low, high = sorted((charts._luminance(first), charts._luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("by", ["row", "column", "counts"])
def test_every_cell_of_the_matrix_can_be_read_in_both_themes(dark, by):
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 1000, (3, 3))
    figure = charts.confusion(SCHEME, counts, by, dark=dark)
    for number, annotation in enumerate(figure.layout.annotations):
        row, col = divmod(number, 3)
        trace = figure.data[0] if row == col else figure.data[1]
        low, high = (np.array([float(part) for part in entry[1][4:-1].split(",")]) for entry in trace.colorscale)
        cell = low + (high - low) * float(trace.z[row][col])
        ink = tuple(bytes.fromhex(annotation.font.color[1:]))
        assert contrast(tuple(cell), ink) > 4.3, (annotation.text, cell)


def test_a_picture_of_any_shape_becomes_a_clear_rimmed_square():
    pixels = np.full((40, 20, 3), 77, np.uint8)
    square = pictures.framed(pixels)
    assert square.shape == (320, 320, 4)
    seen = square[..., 3] == 255
    assert seen.sum() == 320 * 160 and seen[:, 80:240].all()
    assert (square[seen][:, :3] == 77).all()


def test_a_region_is_outlined_in_its_place():
    square = pictures.framed(np.full((100, 100, 3), 77, np.uint8), (0.25, 0.5, 0.75, 1.0))
    drawn = (square[..., :3] != 77).any(axis=2)
    rows, columns = np.nonzero(drawn)
    side = len(square)
    assert rows.min() == round(0.25 * side) and rows.max() == round(0.75 * side)
    assert columns.min() == round(0.5 * side) and columns.max() == side - 1
    assert not drawn[side // 2, round(0.6 * side) : round(0.9 * side)].any()


def test_another_palette_changes_the_classes_and_nothing_else():
    safe = ClassScheme(SCHEME.names, ((1, 1, 1), (2, 2, 2), (0, 100, 200)))
    pixels = np.array([[(10, 20, 30), (200, 100, 0), (0, 100, 200), (155, 155, 155)]], np.uint8)
    found = pictures.recoloured(pixels, SCHEME, safe)
    assert found.tolist() == [[[1, 1, 1], [2, 2, 2], [0, 100, 200], [155, 155, 155]]]
    assert pixels[0, 0].tolist() == [10, 20, 30]
