"""What a notebook sees of the library: names that cost nothing until they are used, and the example that the documents show."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import geopandas
import pytest

import core

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", core.__all__)
def test_every_public_name_is_what_its_home_says(name):
    found = getattr(core, name)
    home = importlib.import_module(found.__module__)
    assert found.__module__.startswith("core.") and found.__name__ in vars(home)
    assert found.__doc__, f"{name} is public and says nothing"


def test_public_names_do_not_hide_rooms():
    """`from core import audit` has to be the folder, whatever was imported before."""
    rooms = {path.name.removesuffix(".py") for path in (ROOT / "core").iterdir()}
    assert not rooms & set(core.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'paint'"):
        _ = core.paint
    assert set(core.__all__) <= set(dir(core))


def test_importing_core_loads_nothing_but_itself():
    code = "import sys; before = set(sys.modules); import core; print(*sorted(n.split('.')[0] for n in set(sys.modules) - before))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    foreign = {name for name in told if name not in sys.stdlib_module_names}
    assert foreign == {"core"}


@pytest.mark.slow
def test_the_example_goes_from_a_geotiff_to_a_geopackage(tmp_path):
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    example = ROOT / "docs" / "geotiff_to_geopackage.py"
    statements = [line for line in example.read_text(encoding="utf-8").splitlines()[1:] if line]
    assert len(statements) <= 10
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, str(example)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    frame = geopandas.read_file(tmp_path / "town" / "polygons.gpkg", layer="polygons")
    assert len(frame) > 100 and frame.is_valid.all() and frame.crs.to_epsg() == 32640
    assert "Building" in done.stdout and (tmp_path / "town" / "polygons.report.html").stat().st_size > 10_000
