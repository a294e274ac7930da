import io
import zipfile

import pytest

from core.errors import DatasetError
from ui import uploads


def packed(*names: str, text: str = "x") -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, text)
    out.seek(0)
    return out


@pytest.mark.parametrize("entry", ["../evil.txt", "/evil.txt", "C:/evil.txt", "a/../../evil.txt", "..\\evil.txt"])
def test_a_zip_cannot_write_outside_its_folder(tmp_path, entry):
    with pytest.raises(DatasetError, match="outside"):
        uploads.unpack("bad.zip", packed("good.txt", entry), tmp_path / "uploads")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_second_zip_of_the_same_name_takes_the_place_of_the_first(tmp_path):
    uploads.unpack("city.zip", packed("images/a.png", "images/b.png"), tmp_path)
    folder = uploads.unpack("city.zip", packed("images/a.png", text="new"), tmp_path)
    assert folder == tmp_path / "city"
    assert [path.name for path in folder.rglob("*.png")] == ["a.png"]
    assert (folder / "images" / "a.png").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["city"]


def test_what_is_no_zip_is_refused_and_not_kept(tmp_path):
    with pytest.raises(DatasetError, match="cannot be unpacked"):
        uploads.unpack("a.zip", io.BytesIO(b"plain"), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "kept"), [("../../a b.tif", "a b.tif"), ("C:\\x\\y.png", "y.png"), ("..", "upload"), ("é<>.tif", "é_.tif")]
)
def test_an_upload_keeps_a_clean_name_inside_the_folder(tmp_path, name, kept):
    path = uploads.save(name, io.BytesIO(b"data"), tmp_path)
    assert path == tmp_path / kept
    assert path.read_bytes() == b"data"


def test_several_files_are_kept_in_one_folder(tmp_path):
    files = [io.BytesIO(name.encode()) for name in ("city.tif", "city_mask.tif")]
    for file in files:
        file.name = file.getvalue().decode()
    folder = uploads.keep(files, tmp_path)
    assert folder == tmp_path / "city and 1 more"
    assert sorted(path.name for path in folder.iterdir()) == ["city.tif", "city_mask.tif"]
    assert uploads.keep(files[:1], tmp_path) == tmp_path / "city.tif"
