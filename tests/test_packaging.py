"""`pip install .`: the wheel holds what the command `groundline` needs, and nothing of it is taken from the checkout.

And what all is built of: versions with bounds and digests, licences, known holes.
"""

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
from packaging.requirements import Requirement

import start
from tools import supply

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


# ---- what all is built of ----


def test_every_requirement_ends_before_the_next_version_that_nobody_tried():
    build = tomllib.loads((PROJECT / "pyproject.toml").read_text())["build-system"]["requires"]
    for line in [*supply.requirements_of(supply.DEV), *supply.requirements_of(supply.NO_DEPS), *build]:
        bounds = {one.operator for one in Requirement(line).specifier}
        assert bounds in ({"=="}, {">=", "<"}), line


@pytest.mark.parametrize("requirements", supply.LOCKS)
def test_the_locked_versions_fit_the_ranges_and_have_digests(requirements):
    """Made by `python tools/supply.py lock`, anew after each change of a range."""
    lock = supply.LOCKS[requirements]
    versions = supply.locked(lock)
    for line in supply.requirements_of(requirements):
        asked = Requirement(line)
        assert versions[supply.plain_name(asked.name)], line
        assert all(asked.specifier.contains(version) for version in versions[supply.plain_name(asked.name)]), line
    text = (PROJECT / lock).read_text()
    assert "://" not in text and "index-url" not in text  # each machine asks its own index
    entries = text.split("\n", 1)[1].replace(" \\\n", " ").splitlines()
    assert len(entries) >= len(versions) and all("--hash=sha256:" in entry for entry in entries)


def test_app_and_tests_have_the_same_versions():
    app, dev = supply.locked(supply.LOCKS[supply.APP]), supply.locked(supply.LOCKS[supply.DEV])
    assert {name: dev.get(name) for name in app} == app


def test_licences_are_told_of_every_package_and_vendored_file(tmp_path):
    count = supply.write_licences(tmp_path)
    bill = json.loads((tmp_path / "sbom.json").read_text())
    names = {supply.plain_name(part["name"]) for part in bill["components"]}
    assert {"numpy", "tensorflow", "streamlit", "patchify", "leaflet", "leaflet-fullscreen"} <= names and len(names) == count
    assert not names & {"pytest", "ruff"}  # they are no part of what runs
    assert all(part["licenses"][0]["license"]["name"] for part in bill["components"])
    needs = {one["ref"]: one["dependsOn"] for one in bill["dependencies"]}
    assert set(needs) == {part["purl"] for part in bill["components"]} | {bill["metadata"]["component"]["purl"]}
    assert any(ref.startswith("pkg:pypi/protobuf@") for ref in next(refs for ref, refs in needs.items() if "/tensorflow@" in ref))
    assert "BSD 2-Clause License" in (tmp_path / "texts" / "leaflet-1.9.4.txt").read_text()
    assert "MIT License" in (tmp_path / "texts" / "@geoman-io-leaflet-geoman-free-2.20.2.txt").read_text()
    assert "pkg:npm/%40geoman-io/leaflet-geoman-free@2.20.2" in needs
    assert (tmp_path / "licences.md").read_text().count("\n| ") == count + 1


class Answer:
    """What pip-audit said, or could not."""

    def __init__(self, told, stderr=""):
        self.stdout = told if isinstance(told, str) else json.dumps({"dependencies": told})
        self.stderr, self.returncode = stderr, 0


@pytest.mark.parametrize(
    "answer, code, line",
    [
        (Answer([{"name": "a", "version": "1", "vulns": []}]), 0, "1 packages, 0 known holes"),
        (Answer([{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}]), 1, "a 1: CVE-1, mended in 2"),
        (Answer([{"name": "a", "skip_reason": "not found"}, {"name": "b", "version": "1", "vulns": []}]), 2, "tells nothing of 1 of 2"),
        (Answer("", "no network\n"), 2, "Not all versions were checked: no network. Expected"),
    ],
    ids=["sound", "hole", "index without a list", "no network"],
)
def test_only_what_was_asked_about_counts_as_sound(monkeypatch, capsys, answer, code, line):
    monkeypatch.setattr(supply, "_uv", lambda: ["uv"])
    monkeypatch.setattr(supply.subprocess, "run", lambda *_, **__: answer)
    assert supply.audit() == code
    assert line in capsys.readouterr().out
