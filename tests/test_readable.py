"""Records of the wrong form are told in one line, and one that cannot be read hides no other of its list."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import pytest

from core.errors import ModelError
from core.files import read_json, write_json
from core.jobs import jobs, records, runs
from core.model_store.cards import ModelCard
from core.model_store.models import sort_models
from core.reading import readable
from core.reading.readable import misfit, read_record, sorted_out
from core.verbs import registry
from core.workspace import Workspace

BAD = {
    "empty": b"",
    "cut off": b"{",
    "a list": b"[]",
    "null": b"null",
    "a text": b'"x"',
    "no UTF-8": b"\xff\xfe\x00",
    "other keys": b'{"format": 3}',
    "100,000 deep": b'{"a":' * 100_000,
    "a number of 5,000 digits": b'{"name": ' + b"9" * 5000 + b"}",
    "a folder": None,
}


class _Needed(TypedDict):
    name: str


class Record(_Needed, total=False):
    size: int
    share: float | None
    kind: Literal["a", "b"]
    parts: dict[str, list[int]]
    other: Any


@dataclass(frozen=True)
class Point:
    row: int
    col: int = 0


@pytest.mark.parametrize(
    ("value", "form", "told"),
    [
        ({"name": "x", "size": 3, "share": 2, "kind": "a", "parts": {"p": [1]}, "more": None}, Record, None),
        ({"name": "x", "share": None}, Record, None),
        ({"row": 1}, Point, None),
        ([1, 2], list[int], None),
        ({}, Record, "it lacks 'name'"),
        ([], Record, "it is a list, not an object"),
        ({"name": None}, Record, "name is null, not a text"),
        ({"name": "x", "size": "3"}, Record, "size is '3', not a whole number"),
        ({"name": "x", "size": True}, Record, "size is true, not a whole number"),
        ({"name": "x", "size": 10**30}, Record, "size is a number of many digits, not a whole number"),
        ({"name": "x", "share": float("nan")}, Record, "share is nan, not a number"),
        ({"name": "x", "share": 10**400}, Record, "share is a number of many digits, not a number"),
        ({"name": "x", "kind": "c"}, Record, "kind is 'c', not one of a, b"),
        ({"name": "x", "parts": {"p": [1, None]}}, Record, "parts['p'][1] is null, not a whole number"),
        ({"col": 1}, Point, "it lacks 'row'"),
    ],
)
def test_what_does_not_fit_is_told_in_words(value, form, told):
    assert misfit(value, form) == told


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_a_file_that_is_no_such_record_raises_what_readers_expect(tmp_path, content):
    put(tmp_path / "x.json", content)
    with pytest.raises((OSError, ValueError)):
        read_record(tmp_path / "x.json", Record)


def test_a_file_is_read_once_for_each_state_of_it(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(readable, "read_record", lambda path, form: read.append(path) or read_json(path))
    file = write_json(tmp_path / "names.json", {"a": 1})
    assert [readable.read_again(file, dict[str, int]) for _ in range(3)] == [{"a": 1}] * 3 and len(read) == 1
    write_json(file, {"a": 2})
    assert readable.read_again(file, dict[str, int]) == {"a": 2} and len(read) == 2
    file.unlink()
    with pytest.raises(OSError):
        readable.read_again(file, dict[str, int])


def test_entries_that_are_refused_stand_apart_with_their_reasons(tmp_path):
    def opened(path):
        if path.name == "bad":
            raise ModelError("no model", expected="one", do="Copy it again")
        return path.name if path.name == "good" else path.read_text()

    found, bad = sorted_out([tmp_path / name for name in ("bad", "good", "gone")], opened)
    assert found == ["good"]
    assert [(one.path.name, one.reason[:18]) for one in bad] == [("bad", "no model. Expected"), ("gone", "gone: No such file")]


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_a_bad_card_is_listed_with_its_reason_beside_the_others(tmp_path, content):
    for name in ("bad", "good"):
        (tmp_path / name).mkdir()
        ModelCard(name, "unet", scheme(), (1, 2, 3)).save(tmp_path / name)
        (tmp_path / name / "model.keras").write_bytes(b"x")
    (tmp_path / "bad" / "card.json").unlink()
    put(tmp_path / "bad" / "card.json", content)
    found, bad = sort_models([tmp_path])
    assert "good" in [model.card.name for model in found]
    assert [one.path.name for one in bad] == ["bad"] and "\n" not in bad[0].reason


@pytest.mark.parametrize("file", [records.REQUEST, records.STATUS, records.EVENTS, records.RESULT, records.ABOUT])
@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_a_bad_job_is_listed_with_its_reason_beside_the_others(tmp_path, file, content):
    workspace = Workspace(tmp_path)
    for name in ("bad", "good"):
        job_folder(workspace, name)
    (workspace.runs / "bad" / file).unlink(missing_ok=True)
    put(workspace.runs / "bad" / file, content if file != records.EVENTS or content is None else content + b"\n")
    found = {job.name: job for job in jobs.list_jobs(workspace)}
    assert found["good"].status()["state"] == "finished" and found["good"].broken is None and runs.lines(found["good"])
    bad = found.get("bad")
    if file == records.REQUEST and content is None:
        assert bad is None or bad.broken
    elif file in (records.REQUEST, records.STATUS):
        assert bad.broken.startswith(f"{file} cannot be read: ") and "\n" not in bad.broken
        assert file == records.REQUEST or (bad.status()["state"], bad.status()["error"]) == ("failed", bad.broken)
    else:
        assert bad.status()["state"] == "finished" and bad.title == "A run"
        assert (bad.result() or bad.result() is None) and isinstance(runs.lines(bad), list)
        assert file != records.EVENTS or content == b"" or "no events" in bad.broken
    if bad is not None:
        bad.delete()
        assert [job.name for job in jobs.list_jobs(workspace)] == ["good"]


def test_a_request_that_nobody_could_make_today_is_told_and_one_of_another_version_too(tmp_path):
    workspace = Workspace(tmp_path)
    for name, change in {"epochs": {"settings": {"epochs": "many"}}, "out": {"out": 7}, "prepared": {"prepared": None}}.items():
        job_folder(workspace, name, **change)
    told = {job.name: job.broken for job in jobs.list_jobs(workspace)}
    assert "epochs 'many'" in told["epochs"] and "'out'" in told["out"] and "'prepared'" in told["prepared"]
    folder = job_folder(workspace, "later")
    records.write_patiently(folder / records.REQUEST, {"kind": "dream", "title": None, "request": {}})
    job = jobs.Job.open(folder)
    assert job.broken == "'dream' is no kind of job of this version" and job.status()["state"] == "finished"


def test_a_damaged_list_of_the_trash_is_one_entry_that_says_so_and_restores_nothing_outside(tmp_path):
    from core.errors import JobError

    workspace = Workspace(tmp_path / "w")
    for name in ("good", "bad", "outside"):
        (workspace.models / name).mkdir()
        (workspace.trash / workspace.discard([workspace.models / name], label=name)).rename(workspace.trash / name)
    (workspace.trash / "bad" / "trash.json").write_text("[]")
    entry = json.loads((workspace.trash / "outside" / "trash.json").read_text())
    entry["moved"][0]["from"] = "../../elsewhere"
    (workspace.trash / "outside" / "trash.json").write_text(json.dumps(entry))
    labels = {entry["id"]: entry["label"] for entry in workspace.trashed()}
    assert labels["good"] == "good" and "cannot be read" in labels["bad"] and "outside the workspace" in labels["outside"]
    for name in ("bad", "outside"):
        with pytest.raises(JobError, match="cannot be read"):
            workspace.restore(name)
    assert [path.name for path in workspace.restore("good")] == ["good"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ([{"from": "models/m", "stored": "\ud800"}], "no disk holds"),
        ([{"from": "models/" + "m" * 256, "stored": "0"}], "no disk holds"),
        ([{"from": "models/m", "stored": ""}], "the trash itself"),
        ([{"from": "models/m", "stored": "trash.json"}], "the trash itself"),
        ([{"from": "trash/kept/m", "stored": "0"}], "the trash itself"),
        ([{"from": "models/m", "stored": "0"}, {"from": "models/n", "stored": "0"}], "one thing twice"),
        ([{"from": "models/m", "stored": "0"}, {"from": "models/x/../m", "stored": "1"}], "one thing twice"),
    ],
)
def test_a_list_of_the_trash_that_cannot_be_followed_moves_nothing(tmp_path, changed, why):
    from core.errors import JobError

    workspace = Workspace(tmp_path)
    (workspace.models / "m").mkdir()
    kept = workspace.trash / workspace.discard([workspace.models / "m"], label="m")
    (kept / "trash.json").write_text(json.dumps({**json.loads((kept / "trash.json").read_text()), "moved": changed}))
    assert [why in entry["label"] for entry in workspace.trashed()] == [True]
    with pytest.raises(JobError, match=why):
        workspace.restore(kept.name)
    assert sorted(path.name for path in kept.iterdir()) == ["0", "trash.json"]


def scheme():
    from core.classes import ClassScheme

    return ClassScheme(("Land", "Water"), ((200, 100, 0), (0, 0, 255)))


def put(path, content):
    path.mkdir() if content is None else path.write_bytes(content)


def job_folder(workspace, name, **changes):
    folder = workspace.runs / name
    folder.mkdir()
    asked = registry.complete("train", {"prepared": "p", "out": "m", "settings": {"epochs": 2}}) | changes
    records.write_patiently(folder / records.REQUEST, {"kind": "train", "title": "A run", "request": asked})
    records.write_patiently(folder / records.STATUS, records.blank_status("finished"))
    records.append_event(folder, {"type": "epoch", "epoch": 1, "loss": 1.0})
    return folder
