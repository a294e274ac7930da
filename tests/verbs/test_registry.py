"""Requests are completed and checked; TensorFlow comes first where it is needed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import JobError, SettingsError
from core.verbs import registry, train
from core.workspace import PROJECT


def test_a_request_is_completed_and_its_paths_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    full = registry.complete("prepare", {"dataset": "data", "stride": 128})
    assert full["dataset"] == str(tmp_path / "data")
    assert (full["stride"], full["patch_size"], full["out"], full["classes"]) == (128, 256, None, None)
    full = registry.complete("vectorize", {"prediction": Path("p"), "files": ["a.gpkg", tmp_path / "b.csv"]})
    assert full["files"] == [str(tmp_path / "a.gpkg"), str(tmp_path / "b.csv")]


def test_a_model_is_a_path_where_one_lies_and_a_name_otherwise(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    assert registry.complete("predict", {"model": "mine", "scene": "s.tif"})["model"] == str(tmp_path / "mine")
    assert registry.complete("predict", {"model": "sample-town", "scene": "s.tif"})["model"] == "sample-town"


@pytest.mark.parametrize(
    ("kind", "request_", "word"),
    [
        ("prepare", {"dataset": "d", "patchsize": 3}, "patchsize"),
        ("predict", {"model": "m"}, "scene"),
        ("predict", {"model": None, "scene": "s"}, "model"),
    ],
)
def test_keys_that_are_unknown_or_missing_are_named(kind, request_, word):
    with pytest.raises(SettingsError, match=word):
        registry.complete(kind, request_)


def test_extra_kinds_are_there_only_when_asked_for(monkeypatch):
    monkeypatch.delenv(registry.EXTRA_VERBS_VARIABLE, raising=False)
    with pytest.raises(JobError, match="count"):
        registry.find("count")
    monkeypatch.setenv(registry.EXTRA_VERBS_VARIABLE, "tests.jobs.extra_kinds")
    assert registry.find("count").place == "layers"
    assert registry.find("train") is registry.VERBS["train"]


def test_an_unknown_cluster_is_refused_in_one_line(tmp_path):
    with pytest.raises(SettingsError, match="cluster 'everywhere'"):
        registry.run("predict", {"model": "m", "scene": tmp_path / "s.tif", "cluster": "everywhere"})


def test_the_worker_loads_neither_pandas_nor_tensorflow_before_its_kind_asks():
    code = (
        "import sys, core.jobs.worker, core.jobs.jobs\n"
        "heavy = {'tensorflow', 'keras', 'pandas', 'pyarrow', 'geopandas', 'streamlit', 'rasterio'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert answer.stdout.strip() == "[]"


def test_help_and_errors_load_no_library_of_maps_pictures_or_tables():
    code = (
        "import contextlib, sys, core.__main__\n"
        "with contextlib.suppress(SystemExit):\n"
        "    core.__main__.main(['vectorize', 'no-place-for-the-answer'])\n"
        "heavy = {'pyproj', 'PIL', 'rasterio', 'shapely', 'scipy', 'h5py', 'numba', 'pandas', 'tensorflow'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT)
    assert answer.returncode == 0 and "required: OUT" in answer.stderr, answer.stderr


def test_what_is_not_asked_for_is_not_loaded():
    code = (
        "import contextlib, sys, core.__main__\n"
        "with contextlib.suppress(SystemExit):\n"
        "    core.__main__.main(sys.argv[1:])\n"
        "print(sorted({'numpy', 'core.verbs.audit', 'core.verbs.train'} & set(sys.modules)))"
    )
    for words, loaded in (("--help", []), ("audit --help", ["core.verbs.audit"]), ("nothing", []), ("audit --no", ["core.verbs.audit"])):
        answer = subprocess.run([sys.executable, "-c", code, *words.split()], capture_output=True, text=True, cwd=PROJECT, check=True)
        assert answer.stdout.splitlines()[-1] == str(loaded), words
    code = "import sys\nfrom core.verbs import registry\nprint(registry.known('train'), 'core.verbs.train' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert answer.stdout.split() == ["True", "False"]


def test_every_kind_with_a_network_is_heavy():
    wanted = {"train", "probe", "rate_test", "search", "evaluate", "predict", "predict_batch", "quantise", "demo"}
    wanted |= {"import_model", "export_model", "random_split", "refine"}
    assert {name for name, spec in registry.VERBS.items() if spec.heavy} == wanted


def test_a_training_is_never_left_with_one_thread_that_would_wait_for_itself(monkeypatch):
    for given, wanted in (("1", "2"), ("4", "4")):
        monkeypatch.setenv("TF_NUM_INTEROP_THREADS", given)
        train.start_tensorflow(None)
        assert os.environ["TF_NUM_INTEROP_THREADS"] == wanted
