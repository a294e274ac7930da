import io
import zipfile

import pytest

from core.errors import InputError
from ui import uploads


def packed(*names: str) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return out


@pytest.mark.parametrize("entry", ["../evil.txt", "/evil.txt", "C:/evil.txt", "a/../../evil.txt", "..\\evil.txt"])
def test_a_zip_cannot_write_outside_its_folder(tmp_path, entry):
    with pytest.raises(InputError, match="outside"):
        uploads.unpack("bad.zip", packed("good.txt", entry), tmp_path / "uploads")
    assert not list(tmp_path.rglob("*.txt"))


def test_a_wrapping_folder_is_stepped_into_but_images_is_not(tmp_path):
    assert uploads.unpack("city.zip", packed("city/images/a.png", "city/masks/a.png", "__MACOSX/x"), tmp_path) == tmp_path / "city" / "city"
    assert uploads.unpack("flat.zip", packed("images/a.png"), tmp_path) == tmp_path / "flat"


def test_what_is_no_zip_is_refused_with_a_remedy(tmp_path):
    with pytest.raises(InputError, match="not a zip"):
        uploads.unpack("a.zip", io.BytesIO(b"plain"), tmp_path)


@pytest.mark.parametrize(
    ("name", "kept"), [("../../a b.tif", "a b.tif"), ("C:\\x\\y.png", "y.png"), ("..", "upload"), ("é<>.tif", "é_.tif")]
)
def test_an_upload_keeps_a_clean_name_inside_the_folder(tmp_path, name, kept):
    path = uploads.save(name, io.BytesIO(b"data"), tmp_path)
    assert path == tmp_path / kept
    assert path.read_bytes() == b"data"
