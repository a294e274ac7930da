"""Files are whole or absent; errors are one line."""

import json
import pickle

import numpy as np
import pytest

from core.errors import Cancelled, SceneError
from core.files import read_json, replacing, replacing_folder, write_json
from core.progress import check


def test_a_file_that_fails_leaves_the_old_one(tmp_path):
    path = tmp_path / "a.tif"
    path.write_text("old")
    with pytest.raises(ValueError), replacing(path) as temporary:
        temporary.write_text("half")
        raise ValueError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with replacing(path) as temporary:
        assert temporary.suffix == ".tif"
        temporary.write_text("new")
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_fails_leaves_the_old_one(tmp_path):
    folder = tmp_path / "out"
    with replacing_folder(folder) as temporary:
        (temporary / "one").write_text("1")
    with pytest.raises(ValueError), replacing_folder(folder) as temporary:
        (temporary / "two").write_text("2")
        raise ValueError
    assert [p.name for p in folder.iterdir()] == ["one"]
    with replacing_folder(folder) as temporary:
        (temporary / "two").write_text("2")
    assert [p.name for p in folder.iterdir()] == ["two"] and [p.name for p in tmp_path.iterdir()] == ["out"]


def test_json_of_arrays_and_nan(tmp_path):
    path = write_json(
        tmp_path / "a.json", {"a": np.array([1.5, np.nan]), "b": np.int64(3), 4: (float("inf"), np.float32(0.5)), "p": tmp_path}
    )
    assert read_json(path) == {"a": [1.5, None], "b": 3, "4": [None, 0.5], "p": str(tmp_path)}
    assert json.loads(path.read_text()) == read_json(path)


def test_an_error_is_one_line_and_survives_a_process_border():
    error = SceneError("a text\n file", expected="an image.", do="Choose another.")
    assert str(error) == "a text file. Expected an image. Choose another."
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is SceneError and str(again) == str(error) and again.do == "Choose another"


def test_stopping():
    check(None)
    check(lambda: False)
    with pytest.raises(Cancelled):
        check(lambda: True)
