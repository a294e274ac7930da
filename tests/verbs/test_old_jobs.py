"""Job folders of an older version are listed and described as they were, and the layers that they traced are found again."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from core.files import dump_json
from core.jobs.jobs import Job
from core.jobs.runs import histories, settings_differences, settings_of
from core.training.settings import TrainSettings
from core.verbs.registry import complete, find
from core.workspace import Workspace
from tests.helpers.old_jobs import KEPT, put_back

KINDS = json.loads((KEPT.parent / "request_keys.json").read_text(encoding="utf-8"))
DESCRIBED = json.loads((KEPT / "described.json").read_text(encoding="utf-8"))


@pytest.fixture
def jobs(tmp_path) -> list[Job]:
    """The old jobs, in a workspace of today."""
    return put_back(Workspace(tmp_path / "workspace"), tmp_path)


def test_there_is_one_of_each_kind(jobs):
    later = {"models", "accept", "refine", "labels", "handover", "serve", "fetch"}  # which were no kinds of job then
    assert {job.kind for job in jobs} == set(KINDS) - later


def test_old_jobs_are_listed_and_described_as_they_were(jobs):
    assert [job.name for job in jobs] == [entry["name"] for entry in DESCRIBED["jobs"]]
    for job, before in zip(jobs, DESCRIBED["jobs"], strict=True):
        assert described(job) == before


def test_old_training_runs_are_compared_as_they_were(jobs):
    runs = [job for job in jobs if job.kind == "train"]
    settings = {job.name: settings_of(job) for job in runs}
    # What can be told since then has its default.
    since = json.loads(json.dumps(TrainSettings().to_dict()))
    assert json.loads(json.dumps(settings)) == {name: {**since, **before} for name, before in DESCRIBED["settings"].items()}
    assert histories(runs) == DESCRIBED["histories"]
    assert json.loads(json.dumps(settings_differences(settings))) == DESCRIBED["differences"]


@pytest.mark.parametrize("job", DESCRIBED["jobs"], ids=lambda job: job["name"])
def test_an_old_request_would_be_taken_again(job, jobs):
    (again,) = [other for other in jobs if other.name == job["name"]]
    verb = find(again.kind)
    # What can be told since then has its default.
    assert json.loads(dump_json(complete(again.kind, again.request))) == json.loads(dump_json({**verb.optional, **again.request}))
    verb.settings.from_request(again.request)


def described(job: Job) -> dict[str, Any]:
    """What a list of jobs says of one."""
    status, answer = job.status(), job.result()
    return {
        "name": job.name,
        "kind": job.kind,
        "title": job.title,
        "note": job.note,
        "state": status["state"],
        "progress": [status["done"], status["total"]],
        "seconds": status["finished"] - status["started"],
        "error": status["error"] is not None,
        "request": sorted(job.request),
        "events": dict(Counter(event["type"] for event in job.events())),
        "answer": None if answer is None else sorted(answer),
    }
