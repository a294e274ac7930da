"""Files are whole or absent; errors are one line."""

import hashlib
import json
import os
import pickle
import socket
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.claims import claimed
from core.digests import content_digest, digest_of
from core.errors import Cancelled, JobBusy, SceneError, SettingsError
from core.files import (
    folder_beside,
    leftovers,
    put_in_place,
    read_json,
    refuse_foreign_folder,
    refuse_no_file,
    replacing,
    replacing_folder,
    unfinished,
    write_json,
)
from core.progress import check

ROOT = Path(__file__).resolve().parents[1]


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


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def _link_to_a_pipe(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


def _file(path: Path) -> None:
    path.write_text("mine")


def _link_to_a_file(path: Path) -> None:
    path.with_name("file").write_text("mine")
    path.symlink_to("file")


def _link_to_a_folder(path: Path) -> None:
    path.with_name("folder").mkdir()
    (path.with_name("folder") / "own.json").write_text("{}")
    path.symlink_to("folder")


def _link_to_nothing(path: Path) -> None:
    path.symlink_to("nothing")


NO_FOLDERS = [_pipe, _socket, _link_to_a_pipe, _file, _link_to_a_file, _link_to_a_folder, _link_to_nothing]
NO_FILES = [_pipe, _socket, _link_to_a_pipe, _link_to_a_folder, Path.mkdir]


def _left_alone(folder: Path) -> list[tuple[str, int]]:
    """Names and kinds of all that lies in a folder."""
    return sorted((entry.name, stat.S_IFMT(entry.lstat().st_mode)) for entry in folder.iterdir())


@pytest.mark.parametrize("make", NO_FOLDERS)
def test_only_a_folder_of_our_own_is_replaced_by_a_folder(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)  # the name of a socket may be 107 letters long
    place = Path("place")
    make(place)
    before = _left_alone(tmp_path)

    with pytest.raises(SettingsError, match="place is a (pipe|socket|link|file)"):
        refuse_foreign_folder(place, "own.json")
    with pytest.raises(SettingsError, match="place is a (pipe|socket|link|file)"), replacing_folder(place):
        raise AssertionError("work has begun")
    Path("new").mkdir()
    with pytest.raises(SettingsError):
        put_in_place(Path("new"), place)
    Path("new").rmdir()

    assert _left_alone(tmp_path) == before


@pytest.mark.parametrize("make", NO_FILES)
def test_only_a_file_is_replaced_by_a_file(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    place = Path("place.txt")
    make(place)
    before = _left_alone(tmp_path)

    with pytest.raises(SettingsError, match="place.txt is a (pipe|socket|folder)"), replacing(place):
        raise AssertionError("work has begun")

    assert _left_alone(tmp_path) == before


def test_a_file_below_what_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="is no folder"):
        refuse_no_file(tmp_path / "file" / "deeper" / "a.gpkg")
    refuse_no_file(tmp_path / "new" / "deeper" / "a.gpkg")
    assert not (tmp_path / "new").exists()


def test_a_link_to_a_file_is_replaced_and_what_it_led_to_stays(tmp_path):
    (tmp_path / "far.txt").write_text("old")
    (tmp_path / "near.txt").symlink_to("far.txt")
    with replacing(tmp_path / "near.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "far.txt").read_text() == "old"
    assert (tmp_path / "near.txt").read_text() == "new" and not (tmp_path / "near.txt").is_symlink()


def test_what_comes_to_the_place_during_the_work_is_kept(tmp_path):
    with pytest.raises(SettingsError), replacing_folder(tmp_path / "out"):
        (tmp_path / "out").write_text("mine")
    assert (tmp_path / "out").read_text() == "mine" and [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_older_folder_comes_back_when_the_new_one_cannot_take_its_place(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "one").write_text("1")
    with pytest.raises(FileNotFoundError):
        put_in_place(tmp_path / "missing", tmp_path / "out")
    assert (tmp_path / "out" / "one").read_text() == "1" and [p.name for p in tmp_path.iterdir()] == ["out"]


def test_what_is_made_for_something_temporary_is_cleared_up_with_it(tmp_path):
    with replacing_folder(tmp_path / "out") as temporary, folder_beside(temporary) as inner, replacing(f"{inner}.xml") as third:
        third.touch()
        assert set(leftovers(tmp_path / "out")) == {temporary, inner, third}


def test_interrupted_work_is_taken_up_by_the_same_key_alone_and_the_older_result_stays_until_the_end(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "old").write_text("old")

    begun = unfinished(folder, "key")
    assert begun.state is None and not any(begun.place.iterdir())
    (begun.place / "half").write_text("half")
    (begun.place / "notes").write_text("notes")
    begun.remember(next_row=5)

    again = unfinished(folder, "key")
    assert again.state == {"next_row": 5} and (again.place / "half").read_text() == "half"
    assert [p.name for p in folder.iterdir()] == ["old"]
    again.finish(without=("notes",))
    assert [p.name for p in folder.iterdir()] == ["half"] and [p.name for p in tmp_path.iterdir()] == ["out"]

    unfinished(folder, "key").remember(next_row=1)
    assert unfinished(folder, "other key").state is None
    unfinished(folder, "key").drop()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_digests_that_name_files_on_the_disk_keep_their_values(tmp_path):
    """Placed rasters, places and traced layers are found by `digest_of`; allowed Python files and int8 networks by `content_digest`."""
    (tmp_path / "a").write_bytes(b"abc")
    assert content_digest(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest_of("a", 1, (2.5, None)) == hashlib.sha256(b"('a', 1, (2.5, None))").hexdigest()[:16]
    assert digest_of("a") == hashlib.sha256(b"('a',)").hexdigest()[:16]


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


HOLD = """
import sys, time
from pathlib import Path
from core.claims import claimed
with claimed(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """`holder(path)` holds an output in a process of its own, and gives the process."""
    started = []

    def hold(path):
        process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.wait()


def test_one_output_has_one_writer_until_that_dies(tmp_path, holder):
    out = tmp_path / "new" / "out"
    process = holder(out)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "new")
    for same in (out, tmp_path / "new/../new/out", link / "out"):
        with pytest.raises(JobBusy, match="out is being written by another run"), claimed(same):
            pass
    with claimed(tmp_path / "new" / "other"):
        pass
    process.kill()  # as the system does when memory is short: nothing is cleaned up
    process.wait()
    with claimed(out):
        assert [path.name for path in out.parent.iterdir()] == [".out.lock"]
    assert not out.parent.exists() or list(out.parent.iterdir()) == []


def test_a_claim_leaves_nothing_behind(tmp_path):
    with claimed(tmp_path / "a" / "out"):
        pass
    with pytest.raises(ValueError), claimed(tmp_path / "out"):
        raise ValueError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with claimed(tmp_path / "file" / "out"):
        pass  # nothing can be written there, which the writer itself says
