"""What the Label page's canvas asks of the dashboard, and what it does not get."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.labelling.projects.project import LabelProject
from ui.label import open as opened
from ui.label import routes

POINT = {"type": "Point", "coordinates": [20, 20]}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabelProject]:
    monkeypatch.setenv("GROUNDLINE_WORKSPACE", str(tmp_path / "workspace"))
    pixels = np.zeros((300, 600, 3), np.uint8)
    pixels[:, :300, 0], pixels[:, 300:, 1] = 200, 200
    Image.fromarray(pixels).save(tmp_path / "scene.png")
    yield LabelProject.create(tmp_path / "halves", tmp_path / "scene.png", (("Red", "#FF0000"), ("Green", "#00FF00")))
    opened.close(tmp_path / "halves")


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=routes.routes()))


@pytest.fixture
def url(project: LabelProject) -> str:
    return routes.url_of(opened.session_of(project.folder)[0])


def painted(class_id: int, col: float, row: float) -> dict:
    return {"do": "paint", "shapes": [{"class": class_id, "geometry": {"type": "Point", "coordinates": [col, row]}, "width_px": 40}]}


def test_steps_are_kept_and_answered(client, url, project):
    told = client.post(f"{url}/do", json=painted(0, 100, 100)).json()
    assert told == {"revision": 1, "canUndo": True, "canRedo": False}
    client.post(f"{url}/do", json=painted(1, 500, 100))
    state = client.post(f"{url}/do", json={"do": "undo"}).json()
    assert [one["class"] for one in state["shapes"]] == [0] and state["canRedo"]
    assert client.post(f"{url}/do", json={"do": "redo"}).json()["revision"] == 4
    assert len(LabelProject.open(project.folder).labels.painted) == 2
    end = time.monotonic() + 120
    while client.get(f"{url}/status?view=0,0,300,600,1").json()["busy"]:
        assert time.monotonic() < end
        time.sleep(0.05)
    status = client.get(f"{url}/status?view=0,0,300,600,1").json()
    assert status["revision"] == 4 and status["painted"]["0"] == status["painted"]["1"] > 1000
    half = np.asarray(Image.open(io.BytesIO(client.get(f"{url}/answer/0/0/0").content)))
    assert half.shape == (512, 512, 3)  # 300 x 600 pixels at half their size, and nothing below
    assert (half[:150, :140, 0] == 0).all() and (half[:150, 160:300, 0] == 1).all() and (half[150:] == 255).all()
    whole = np.asarray(Image.open(io.BytesIO(client.get(f"{url}/answer/1/1/0").content)))
    assert (whole[:300, :88, 0] == 1).all() and (whole[:, 88:] == 255).all()
    boxes = client.get(f"{url}/outlines?window=10,10,20,20").json()
    assert [one["class"] for one in boxes] == [0]


def test_a_superpixel_comes_as_rings(client, url):
    rings = client.get(f"{url}/superpixel/100/100?size=5").json()["rings"]
    assert rings[0][0] == rings[0][-1] and len(rings[0]) > 4


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("superpixel/900/5", 422),
        ("superpixel/5/5?size=inf", 400),
        ("superpixel/5/5?size=x", 400),
        ("outlines?window=1,2", 400),
        ("outlines", 400),
        ("status?view=1", 400),
        ("status", 400),
        ("answer/9/0/0", 404),
        ("answer/1/9/9", 204),
        ("answer/0/0/0", 204),  # nothing is painted, so nothing is answered
    ],
)
def test_what_cannot_be_answered_is_said_in_one_line(client, url, path, status):
    answer = client.get(f"{url}/{path}")
    assert answer.status_code == status and "\n" not in answer.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"not json", 400),
        (b"[]", 422),
        (b"\xff", 400),
        (json.dumps({"do": "dance"}).encode(), 422),
        (json.dumps({"do": "paint", "shapes": [{"class": 99, "geometry": POINT}]}).encode(), 422),
        (json.dumps({"do": "paint", "shapes": [{"class": [], "geometry": POINT}]}).encode(), 422),
        (b"[" * 100_000, 400),
        (b" " * (routes.MOST_BYTES + 1), 422),
    ],
    ids=["no json", "a list", "no text", "no step", "no class", "a class of lists", "deep", "large"],
)
def test_what_is_no_step_is_refused_and_changes_nothing(client, url, project, body, status):
    answer = client.post(f"{url}/do", content=body)
    assert answer.status_code == status and "\n" not in answer.text
    assert not LabelProject.open(project.folder).labels.painted


def test_a_guessed_name_reaches_nothing(client, url):
    for path in ("state", "status?view=0,0,9,9,1", "superpixel/5/5", "answer/0/0/0", "outlines?window=0,0,5,5"):
        assert client.get(f"{routes.PREFIX}/guessed/{path}").status_code == 404
    for path in ("do", "next"):
        assert client.post(f"{routes.PREFIX}/guessed/{path}", json={"do": "undo"}).status_code == 404


def test_a_dashboard_that_only_shows_takes_no_step(client, url, project, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_READ_ONLY", "1")
    assert client.post(f"{url}/do", json=painted(0, 100, 100)).status_code == 422
    assert not LabelProject.open(project.folder).labels.painted


def test_sessions_that_were_used_least_are_closed(tmp_path, project, monkeypatch):
    first, session = opened.session_of(project.folder)
    assert opened.session_of(project.folder) == (first, session)
    for number in range(4):
        LabelProject.create(tmp_path / f"other-{number}", project.scene_path, (("Red", "#FF0000"), ("Green", "#00FF00")))
        opened.session_of(tmp_path / f"other-{number}")
    assert opened.find(first) is None
    again, _ = opened.session_of(project.folder)
    assert again != first
    for number in range(4):
        opened.close(tmp_path / f"other-{number}")
