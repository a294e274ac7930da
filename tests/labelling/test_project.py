"""A scene that is being labelled: every step is kept before it counts, and every one can be undone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.errors import ClassesError, InputError
from core.labelling.projects.painting import MOST_POINTS, STARTS, Painting
from core.labelling.projects.project import PROJECT_FILE, STEPS_FILE, LabelProject
from core.scenes.scene import Window

CLASSES = (("Roof", "#D1495B"), ("Grass", "#9BC53D"))


def line(class_id: int | None, *points: tuple[float, float], width_px: float = 3) -> dict:
    return {"class": class_id, "geometry": {"type": "LineString", "coordinates": [list(point) for point in points]}, "width_px": width_px}


def paint(*shapes: dict) -> dict:
    return {"do": "paint", "shapes": list(shapes)}


def listed(*rows: tuple[int, str, str], **more: object) -> dict:
    return {"do": "classes", "classes": [{"id": one, "name": name, "colour": colour} for one, name, colour in rows], **more}


@pytest.fixture
def project(tmp_path: Path) -> LabelProject:
    return LabelProject.create(tmp_path / "roofs", tmp_path / "scene.tif", CLASSES)


def names(labels: Painting) -> list[str | None]:
    return [stroke.class_name for stroke in labels.strokes()]


def test_what_was_painted_is_there_again_when_the_folder_is_opened_anew(project):
    project.do(paint(line(0, (1, 1), (5, 1))))
    project.do(paint(line(1, (1, 9), (5, 9), width_px=7), line(None, (2, 0), (2, 3))))
    again = LabelProject.open(project.folder)
    assert names(again.labels) == ["Roof", "Grass", None]
    assert [stroke.width_px for stroke in again.labels.strokes()] == [3, 7, 3]
    assert again.labels.strokes()[0].geometry.wkt == "LINESTRING (1 1, 5 1)"
    assert (again.digest, again.revision) == (project.digest, 2)


def test_undo_and_redo_reach_back_to_the_beginning_and_over_a_reopening(project):
    digests = [project.digest]
    for number in range(5):
        project.do(paint(line(number % 2, (number, 0), (number, 9))))
        digests.append(project.digest)
    for expected in reversed(digests[:-1]):
        project.do({"do": "undo"})
        assert project.digest == expected
    assert not project.can_undo
    project.do({"do": "undo"})  # nothing is left: no harm
    again = LabelProject.open(project.folder)
    for expected in digests[1:]:
        again.do({"do": "redo"})
        assert again.digest == expected
    assert not again.can_redo


def test_a_new_step_ends_what_could_be_redone(project):
    project.do(paint(line(0, (1, 1), (5, 1))))
    project.do({"do": "undo"})
    project.do(paint(line(1, (1, 1), (5, 1))))
    assert not project.can_redo
    assert names(project.labels) == ["Grass"]


def test_a_class_is_renamed_recoloured_and_moved_with_its_strokes(project):
    project.do(paint(line(0, (1, 1), (5, 1))))
    project.do(listed((1, "Lawn", "#00FF00"), (0, "House", "#112233"), (2, "Pool", "#0000FF")))
    assert project.labels.scheme.names == ("Lawn", "House", "Pool")
    assert names(project.labels) == ["House"]


def test_merged_classes_paint_as_the_one_that_took_them_in_and_come_apart_by_undo(project):
    project.do(paint(line(0, (1, 1), (5, 1)), line(1, (1, 9), (5, 9))))
    project.do(listed((1, "Grass", "#9BC53D"), merge={"0": 1}))
    assert names(project.labels) == ["Grass", "Grass"]
    project.do({"do": "undo"})
    assert names(project.labels) == ["Roof", "Grass"]


def test_a_class_with_strokes_cannot_just_vanish(project):
    project.do(paint(line(0, (1, 1), (5, 1))))
    with pytest.raises(InputError, match="painted would be lost"):
        project.do(listed((1, "Grass", "#9BC53D")))
    assert project.labels.scheme.names == ("Roof", "Grass")


def test_agreed_places_and_the_area_of_work_are_steps_like_others(project):
    area = {"type": "Polygon", "coordinates": [[[0, 0], [8, 0], [8, 4], [0, 4], [0, 0]]]}
    project.do({"do": "area", "area": area})
    project.do({"do": "agree", "window": [2, 3, 10, 20]})
    assert project.labels.area_shape().area == 32
    assert project.labels.agreed == (Window(2, 3, 10, 20),)
    project.do({"do": "undo"})
    project.do({"do": "area", "area": None})
    assert project.labels.agreed == () and project.labels.area_shape() is None


BAD = {
    "no step": {"do": "dance"},
    "nothing": {},
    "another class": paint(line(7, (1, 1), (5, 1))),
    "no brush": paint(line(0, (1, 1), (5, 1), width_px=0)),
    "a brush of NaN": paint(line(0, (1, 1), (5, 1), width_px=float("nan"))),
    "NaN": paint(line(0, (1, 1), (float("nan"), 1))),
    "far away": paint(line(0, (1, 1), (1e12, 1))),
    "empty": paint({"class": 0, "geometry": {"type": "LineString", "coordinates": []}}),
    "one point": paint({"class": 0, "geometry": {"type": "LineString", "coordinates": [[1, 1]]}}),
    "a collection": paint({"class": 0, "geometry": {"type": "GeometryCollection", "geometries": []}}),
    "words": paint({"class": 0, "geometry": {"type": "Point", "coordinates": ["a", "b"]}}),
    "shapes of none": {"do": "paint", "shapes": 3},
    "too many corners": paint(line(0, *((k, k % 2) for k in range(MOST_POINTS + 1)))),
    "an area of a line": {"do": "area", "area": {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}},
    "a place before the scene": {"do": "agree", "window": [-1, 0, 5, 5]},
    "an empty place": {"do": "agree", "window": [1, 0, 0, 5]},
    "three numbers": {"do": "agree", "window": [1, 0, 5]},
    "double ids": listed((0, "A", "#111111"), (0, "B", "#222222")),
    "an id of 255": listed((0, "Roof", "#D1495B"), (1, "Grass", "#9BC53D"), (255, "C", "#333333")),
    "no name": listed((0, "  ", "#111111"), (1, "Grass", "#9BC53D")),
    "a circle": listed((0, "Roof", "#D1495B"), (1, "Grass", "#9BC53D"), merge={"0": 1, "1": 0}),
    "no list": {"do": "classes", "classes": None},
}


@pytest.mark.parametrize("step", BAD.values(), ids=BAD)
def test_a_step_that_is_none_is_refused_in_one_line_and_changes_nothing(project, step):
    project.do(paint(line(0, (1, 1), (5, 1))))
    before = project.digest, project.revision, (project.folder / STEPS_FILE).read_text()
    with pytest.raises(InputError) as refused:
        project.do(step)
    assert "\n" not in str(refused.value)
    assert (project.digest, project.revision, (project.folder / STEPS_FILE).read_text()) == before


@pytest.mark.parametrize("rows", [[(0, "A", "#111111"), (1, "A", "#222222")], [(0, "A", "#111111"), (1, "B", "#111111")], []])
def test_double_names_and_colours_are_refused_as_everywhere(project, rows):
    with pytest.raises(ClassesError):
        project.do(listed(*rows))
    assert project.labels.scheme.names == ("Roof", "Grass")


def test_a_last_line_that_a_crash_cut_off_is_passed_over(project):
    project.do(paint(line(0, (1, 1), (5, 1))))
    project.do(paint(line(1, (1, 1), (5, 1))))
    log = project.folder / STEPS_FILE
    log.write_text(log.read_text()[:-20])
    again = LabelProject.open(project.folder)
    assert names(again.labels) == ["Roof"]
    again.do(paint(line(1, (3, 3), (5, 1))))
    assert names(LabelProject.open(project.folder).labels) == ["Roof", "Grass"]


def test_a_damaged_project_says_so_in_one_line(project):
    (project.folder / STEPS_FILE).write_text('{"do": "paint"}\n{"do": "undo"}\n')
    with pytest.raises(InputError, match="roofs"):
        LabelProject.open(project.folder)
    (project.folder / PROJECT_FILE).write_text("[]")
    with pytest.raises(InputError, match="roofs holds no labels"):
        LabelProject.open(project.folder)


def test_a_project_is_not_begun_over_another(project):
    with pytest.raises(InputError, match="being labelled already"):
        LabelProject.create(project.folder, Path("scene.tif"), CLASSES)


@pytest.mark.parametrize("start", STARTS)
def test_the_classes_to_start_from_are_schemes(tmp_path, start):
    assert len(LabelProject.create(tmp_path / "a", Path("scene.tif"), STARTS[start]).labels.scheme) == len(STARTS[start])


def test_the_log_is_one_object_a_line(project):
    project.do(paint(line(0, (1, 1), (5, 1))))
    project.do({"do": "undo"})
    assert [json.loads(row)["do"] for row in (project.folder / STEPS_FILE).read_text().splitlines()] == ["paint", "undo"]
