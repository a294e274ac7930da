"""Machine code on the disk belongs to the very sources that it was made of."""

import os
import time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numba
import pytest

from core import compiling
from core.compiling import compiled, digest_of_sources


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    compiling.cache_folder.cache_clear()
    yield tmp_path
    compiling.cache_folder.cache_clear()


def test_the_digest_changes_with_every_source(tmp_path):
    first, second = tmp_path / "a.py", tmp_path / "b.py"
    first.write_text("x = 1\n")
    second.write_text("y = 1\n")
    before = digest_of_sources([first, second])
    assert digest_of_sources([second, first]) == before
    second.write_text("y = 2\n")
    assert digest_of_sources([first, second]) != before
    assert digest_of_sources([first]) != before


def test_functions_keep_their_code_where_the_sources_say(place):
    @compiled
    def twice(value):
        return 2 * value

    @compiled(fastmath=True)
    def thrice(value):
        return 3 * value

    assert twice(4) == 8 and thrice(4) == 12
    folder = compiling.cache_folder(Path(__file__).parent)
    for function in (twice, thrice):
        assert function.stats.cache_path.startswith(str(folder))
        assert function.targetoptions["nogil"]
    assert thrice.targetoptions["fastmath"] and not twice.targetoptions.get("fastmath")
    assert list(folder.rglob("*.nbi"))
    assert "kernels-" not in numba.config.CACHE_DIR  # other libraries keep their place


def test_a_kernel_outside_the_package_notices_a_change_of_its_neighbour(place, tmp_path):
    (folder := tmp_path / "drawing").mkdir()
    kernel, neighbour = folder / "kernel.py", folder / "neighbour.py"
    kernel.write_text("from core.compiling import compiled\n\n@compiled\ndef twice(value):\n    return 2 * value\n")
    places = []
    for line in ("", "# changed\n"):
        neighbour.write_text(f"{line}# helps what is @compiled\n")
        compiling.cache_folder.cache_clear()
        spec = spec_from_file_location("kernel", kernel)
        spec.loader.exec_module(module := module_from_spec(spec))
        assert module.twice(4) == 8
        places.append(Path(module.twice.stats.cache_path))
    assert places[0] != places[1] and all(place.is_dir() for place in places)
    assert not any(place.is_relative_to(compiling.cache_folder()) for place in places)


def test_what_older_sources_left_goes_after_a_week(place):
    for name, age_days in (("kernels-old", 8), ("kernels-young", 1), ("mine", 30)):
        (place / name).mkdir()
        then = time.time() - 86400 * age_days
        os.utime(place / name, (then, then))
    compiling.cache_folder()
    assert sorted(entry.name for entry in place.iterdir()) == ["kernels-young", "mine"]
