"""The answer of an open project: learnt when the hand rests, the screen's part first, and the model's until then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import InputError
from core.labelling.projects.live_raster import CELL_PX, LiveRaster
from core.labelling.projects.painting import LabelClass, Painting
from core.labelling.projects.places import Places
from core.labelling.projects.project import STROKES_FILE, LabelProject
from core.labelling.projects.session import Session
from core.labelling.stroke_files import read_strokes
from core.scenes.opening import open_scene
from core.scenes.scene import Window

PATIENCE_S = 120  # a busy machine is slow, not broken
CLASSES = (("Red", "#FF0000"), ("Green", "#00FF00"), ("Blue", "#0000FF"))


def line(class_id: int | None, *points: tuple[float, float]) -> dict:
    return {"class": class_id, "geometry": {"type": "LineString", "coordinates": [list(point) for point in points]}, "width_px": 5}


def paint(*shapes: dict) -> dict:
    return {"do": "paint", "shapes": list(shapes)}


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Left red, right green, 300 x 320 pixels (height x width), a little noise."""
    pixels = np.zeros((300, 320, 3), np.int16)
    pixels[:, :160, 0], pixels[:, 160:, 1] = 200, 200
    noise = np.random.default_rng(0).integers(0, 30, pixels.shape)
    Image.fromarray((pixels + noise).astype(np.uint8)).save(tmp_path / "halves.png")
    return tmp_path / "halves.png"


@pytest.fixture
def begun(tmp_path: Path, scene: Path) -> Iterator[Callable[..., Session]]:
    opened: list[Session] = []

    def begin(**how: object) -> Session:
        opened.append(Session(LabelProject.create(tmp_path / "halves", scene, CLASSES, **how), cache=tmp_path / "cache"))
        return opened[-1]

    yield begin
    for session in opened:
        session.close()


def settled(session: Session) -> Session:
    """The session once its answer is that of the last step."""
    end = time.monotonic() + PATIENCE_S
    while session.status().busy:
        assert time.monotonic() < end, session.status()
        time.sleep(0.02)
    return session


def ids(session: Session, every: int = 1) -> np.ndarray:
    return session.codes(session.scene.window, every)[..., 0]


def test_two_strokes_answer_the_whole_scene(begun):
    session = begun()
    assert settled(session).codes(session.scene.window) is None
    session.do(paint(line(0, (40, 40), (60, 200))))
    assert settled(session).codes(session.scene.window) is None
    session.do(paint(line(1, (240, 40), (260, 200))))
    found = ids(settled(session))
    assert (found[:, :150] == 0).all() and (found[:, 170:] == 1).all()
    assert (session.codes(session.scene.window)[:, :150, 1] > 200).all()
    assert np.array_equal(ids(session, 4), found[::4, ::4])
    status = session.status()
    assert "2 strokes" in status.words and "100 % of the area answered" in status.words
    assert status.painted[0] == status.painted[1] > 500 and status.painted[2] == 0


def test_undo_takes_the_answer_back_and_names_are_not_learnt(begun):
    session = begun()
    session.do(paint(line(0, (40, 40), (60, 200)), line(1, (240, 40), (260, 200))))
    stamp = settled(session).status().stamp
    listed = [{"id": 1, "name": "Grass", "colour": "#00FF00"}, {"id": 0, "name": "Roof", "colour": "#FF0000"}]
    session.do({"do": "classes", "classes": [*listed, {"id": 2, "name": "Pool", "colour": "#0000FF"}]})
    assert settled(session).status().stamp == stamp  # ids stay, so nothing is made anew
    session.do({"do": "undo"})
    session.do({"do": "undo"})
    assert settled(session).codes(session.scene.window) is None


def test_outside_the_area_of_work_nothing_is_answered(begun):
    session = begun()
    session.do(paint(line(0, (110, 260), (120, 280)), line(1, (200, 260), (210, 280))))
    assert (ids(settled(session)) != 255).all()
    box = [[100, 50], [220, 50], [220, 250], [100, 250], [100, 50]]
    session.do({"do": "area", "area": {"type": "Polygon", "coordinates": [box]}})
    session.do(paint(line(0, (110, 60), (120, 200)), line(1, (200, 60), (210, 200))))
    found = ids(settled(session))
    inside = np.zeros(found.shape, bool)
    inside[50:250, 100:220] = True
    assert (found[~inside] == 255).all() and (found[inside] != 255).all()


def test_the_strokes_lie_beside_the_project_as_a_file_that_others_read(begun):
    session = begun()
    session.do(paint(line(0, (40, 40), (60, 200)), line(1, (240, 40), (260, 200)), line(None, (40, 40), (42, 50))))
    settled(session)
    read = read_strokes(session.project.folder / STROKES_FILE, open_scene(session.project.scene_path)).strokes
    assert [one.class_name for one in read] == ["Red", "Green", None]
    assert read[0].geometry.equals_exact(session.project.labels.strokes()[0].geometry, 1e-6)


def test_the_answer_in_a_box_comes_as_polygons_that_cover_it(begun):
    session = begun()
    session.do(paint(line(0, (40, 40), (60, 200)), line(1, (240, 40), (260, 200))))
    settled(session)
    from shapely.geometry import shape

    found = {class_id: shape(geometry) for class_id, geometry in session.outlines(Window(100, 100, 20, 120))}
    assert set(found) == {0, 1}
    assert sum(one.area for one in found.values()) == 20 * 120
    assert found[0].bounds[0] == 100 and found[1].bounds[2] == 220


def test_an_error_of_the_thread_is_told_and_the_strokes_are_kept(begun, monkeypatch):
    session = settled(begun())

    def broken(*_: object, **__: object) -> None:
        raise InputError("a disk that is full", expected="room", do="Free some")

    monkeypatch.setattr("core.labelling.projects.session.take", broken)
    session.do(paint(line(0, (40, 40), (60, 200)), line(1, (240, 40), (260, 200))))
    assert "a disk that is full" in settled(session).status().error
    monkeypatch.undo()
    session.do(paint(line(0, (80, 40), (90, 200))))
    assert settled(session).status().error is None
    assert len(LabelProject.open(session.project.folder).labels.painted) == 3


# ---- places ----


def labels(*rows: tuple[int, str], into: dict[int, int] | None = None) -> Painting:
    return Painting(tuple(LabelClass(one, name, f"#0000{one:02X}") for one, name in rows), into=into or {})


def test_merged_classes_of_a_model_share_their_sum():
    places = Places.of(labels((1, "Land"), (2, "Water"), (5, "Mine"), into={0: 1}), of_model=(0, 1, 2))
    assert places.ids == (1, 1, 2, 5)
    codes = places.codes(np.array([[[0.3, 0.2, 0.4, 0.1]]], np.float32))
    assert codes.tolist() == [[[1, 128]]]  # 0.3 + 0.2 of 1.0 is 127.5 of 255, to the even number


def test_a_class_of_the_model_that_was_taken_off_the_list_shares_nothing():
    places = Places.of(labels((1, "Land"), (2, "Water")), of_model=(0, 1, 2))
    assert places.codes(np.array([[[0.6, 0.1, 0.3]]], np.float32)).tolist() == [[[2, 191]]]  # 0.3 of 0.4 left
    assert places.codes(np.zeros((1, 1, 3), np.float32)).tolist() == [[[255, 0]]]


# ---- the raster ----


def test_cells_are_behind_until_they_are_put_and_coarse_ones_until_they_are_fine(tmp_path):
    raster = LiveRaster(tmp_path / "bytes", 600, 700)
    whole = Window(0, 0, 600, 700)
    assert [(one.row, one.col, one.height, one.width) for one in raster.behind(whole, generation=1, every=1)] == [
        (0, 0, 256, 700),
        (256, 0, 256, 700),
        (512, 0, 88, 700),
    ]
    raster.put(Window(0, 256, 256, 256), np.full((64, 64, 2), 3, np.uint8), generation=1, every=4)
    assert [one.col for one in raster.behind(Window(0, 0, 10, 700), generation=1, every=4)] == [0, 512]
    assert [one.width for one in raster.behind(Window(0, 0, 10, 700), generation=1, every=1)] == [700]
    codes, known = raster.read(whole)
    assert known.sum() == CELL_PX**2 and (codes[known] == 3).all()
    assert raster.share(whole, generation=1) == pytest.approx(1 / 9)
    raster.clear()
    assert not raster.read(whole, every=3)[1].any()
