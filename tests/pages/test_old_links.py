"""Links that people kept still open what they named, and the pages list the jobs that older versions left."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from core.files import write_json
from core.jobs.jobs import Job
from core.scenes.scene import Window
from core.vector.settings import VectorSettings
from core.verbs.registry import run
from tests.helpers.old_jobs import put_back
from tests.helpers.predicted import predicted
from tests.pages.conftest import ROOT, sound
from tests.verbs.contract import make_data
from ui.map.finished import find

TRAIN = "pages/3_Train.py"
PAGES = {"": None, "Explore": "pages/1_Explore.py", "Train": TRAIN, "Predict": "pages/4_Predict.py", "Map": "pages/5_Map.py"}
LINKS = json.loads((ROOT / "tests" / "verbs" / "old_links.json").read_text(encoding="utf-8"))
TOWN = ROOT / "sample_data" / "town"
SELECTED = ("dataset", "prediction")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prediction of a corner of the sample town."""
    return predicted(TOWN / "images" / "villas.tif", tmp_path_factory.mktemp("made") / "first", window=Window(0, 0, 96, 128))


@pytest.fixture
def old(workspace, tmp_path) -> list[Job]:
    """The old jobs in the user's workspace, newest first, with the patches of that time; a page has seen them since."""
    jobs = put_back(workspace, tmp_path)
    make_data(ROOT, tmp_path)
    (prepare,) = (job for job in jobs if job.kind == "prepare")
    run("prepare", prepare.request)
    ended = max(job.status()["finished"] for job in jobs)
    write_json(workspace.root / "recent.json", {"recent": {"dataset": [str(tmp_path / "data")]}, "seen_until": ended})
    return jobs


@pytest.fixture
def places(workspace, tmp_path, made, old) -> dict[str, str]:
    """A workspace that holds what the links name, and more; {placeholder: what stands for it}."""
    runs = [job.name for job in old if job.kind == "train"]
    for name in ("first", "batch/first", "newest"):
        shutil.copytree(made, workspace.predictions / name)
    return {"<project>": ROOT.as_posix(), "<folder>": tmp_path.as_posix(), "<workspace>": workspace.root.as_posix(), "<train>": runs[-1]}


@pytest.mark.parametrize("link", LINKS, ids=lambda link: link["name"])
def test_a_link_restores_what_it_restored(link, opened, places):
    query, restores = _filled(link["query"], places), _filled(link["restores"], places)
    at = opened()
    at.query_params.update(query)
    page = PAGES[link["page"]]
    at = sound((at.switch_page(page) if page else at).run())
    selection = at.session_state["gl_selection"]
    for name, value in restores.items():
        if name in SELECTED:
            assert getattr(selection, name) == Path(value), name
        else:
            assert at.session_state[name] == value, name


def test_the_table_of_runs_lists_those_of_an_older_version(opened, old):
    at = opened()
    at.session_state["gl_train_tab"] = "Runs"
    table = sound(at.switch_page(TRAIN).run()).dataframe(key="runs_table").value
    found = json.loads(table.drop(columns="started").to_json(orient="records"))
    for row in found:
        row["patches"] = row["patches"].rpartition(" · ")[0]  # the rest is when their folder was written: just now
    assert found == json.loads((ROOT / "tests" / "verbs" / "old_jobs" / "table.json").read_text(encoding="utf-8"))


TRACED = (
    VectorSettings(),
    VectorSettings(threshold=0.25, min_area="6px", simplify="0.5m", smooth=1, classes=("Building", "Land"), regularize=("Building",)),
)
"""How the kept jobs traced outlines, in their order."""


@pytest.mark.parametrize("number", range(len(TRACED)))
def test_a_layer_that_an_older_version_traced_is_found_by_its_settings(number, old, made):
    from core.vector.formats.export import export
    from core.vector.vectorize import vectorize

    job = sorted((job for job in old if job.kind == "vectorize"), key=lambda job: job.name)[number]
    prediction, (file,) = Path(job.request["prediction"]), job.request["files"]
    shutil.copytree(made, prediction)
    Path(file).parent.mkdir(parents=True)
    layer = vectorize(prediction).layer
    export(layer, Path(file))
    found = [find(prediction, settings) for settings in TRACED]
    assert [result is not None for result in found] == [settings == TRACED[number] for settings in TRACED]
    assert len(found[number].layer.frame) == len(layer.frame)


def _filled(values: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
    for place, stands in places.items():
        values = {name: value.replace(place, stands) if isinstance(value, str) else value for name, value in values.items()}
    return values
