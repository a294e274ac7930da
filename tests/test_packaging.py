"""`pip install .`: the wheel holds what the command `groundline` needs, and nothing of it is taken from the checkout."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest

import start

PROJECT = Path(start.HERE)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Runs a program of a fresh environment that holds the wheel alone, with this environment's packages on its path."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    # A copy, since building leaves folders beside pyproject.toml.
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "workspace", "runs", "tests", "docs", "*.egg-info", "build")
    shutil.copytree(PROJECT, source, ignore=unwanted)
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(place)], cwd=source, check=True, capture_output=True)
    [wheel] = place.glob("*.whl")
    shutil.rmtree(source)
    venv.create(place / "env", with_pip=True)
    programs = Path(start.python_of(str(place / "env"))).parent
    packages = sysconfig.get_path("purelib", vars={"base": str(place / "env")})
    Path(packages, "app.pth").write_text(sysconfig.get_path("purelib"))
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "GROUNDLINE_WORKSPACE")}
    environment |= {"HOME": str(place), "USERPROFILE": str(place)}

    def run(program, *words):
        return subprocess.run([programs / program, *words], cwd=place, env=environment, capture_output=True, text=True, timeout=300)

    done = run("python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel))
    assert done.returncode == 0, done.stderr
    return run


@pytest.mark.slow
def test_the_command_tells_its_verbs(installed):
    told = installed("groundline", "--help")
    assert told.returncode == 0, told.stderr
    assert "vectorize" in told.stdout


@pytest.mark.slow
def test_the_library_is_the_installed_one_and_says_that_it_has_types(installed):
    ask = "import core, importlib.resources as r; print(core.__file__, r.files(core).joinpath('py.typed').is_file())"
    told = installed("python", "-c", ask)
    path, typed = told.stdout.split()
    assert "site-packages" in path and str(PROJECT) not in path
    assert typed == "True"


@pytest.mark.slow
def test_a_verb_works_away_from_the_checkout(installed):
    done = installed("groundline", "audit", str(PROJECT / "sample_data" / "town"), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pairs"] == 8


def test_the_project_asks_for_the_pythons_that_start_accepts():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    first, last = start.WANTED[0], start.WANTED[-1]
    assert project["requires-python"] == f">={first[0]}.{first[1]},<{last[0]}.{last[1] + 1}"


def test_every_requirement_has_an_upper_bound():
    for name in start.included("requirements-dev.txt"):
        for line in (PROJECT / name).read_text().splitlines():
            if line and not line.startswith(("#", "-r ")):
                assert "<" in line or "==" in line, f"{name}: {line}"
