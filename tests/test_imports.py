"""Imports point one way: pages -> ui -> core, and inside core from jobs down to errors; heavy libraries stay where they belong."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A module may import those of its own level and of the levels before it.
CORE_LEVELS = (
    ("core", "core.errors", "core.progress", "core.files", "core.compiling"),
    ("core.classes", "core.geo"),
    ("core.scene", "core.scene_sources", "core.scene_mosaic", "core.scene_placing", "core.chip_layout"),
    ("core.data",),
    ("core.learning",),
    ("core.prediction",),
    ("core.evaluation",),
    ("core.vector",),
    ("core.jobs",),
    ("core.commands", "core.__main__"),
)
NETWORK_LIBRARIES = {"tensorflow", "keras", "segmentation_models", "openvino", "onnxruntime", "nncf", "jax", "torch"}
WITH_NETWORKS = ("core.learning", "core.prediction.engine", "core.prediction.quantising", "core.prediction.exporting")

CORE = sorted((ROOT / "core").rglob("*.py"))
UI = sorted((ROOT / "ui").rglob("*.py"))
PAGES = [*sorted((ROOT / "pages").glob("*.py")), ROOT / "app.py"]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: str, module: str) -> Iterator[str]:
    """Full names of all modules that a source text imports, anywhere in it; `from a import b` gives "a.b"."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(module.split(".")[: -node.level]) if node.level else ""
            start = ".".join(part for part in (base, node.module) if part)
            yield from (f"{start}.{alias.name}" for alias in node.names)


def imports_of(path: Path) -> set[str]:
    return set(imported(path.read_text(encoding="utf-8"), module_name(path)))


def belongs(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def level(name: str) -> int:
    """The level of a module of core: that of the longest entry it belongs to."""
    found = [(len(entry), k) for k, entries in enumerate(CORE_LEVELS) for entry in entries if belongs(name, entry)]
    return max(found)[1]


def upward(source: str, module: str) -> list[str]:
    """Imports of core that point to a higher level than the module's own."""
    inside = (name for name in imported(source, module) if belongs(name, "core"))
    return sorted(name for name in inside if level(name) > level(module))


@pytest.mark.parametrize("path", CORE, ids=module_name)
def test_core_imports_only_downward_and_never_the_dashboard(path):
    source = path.read_text(encoding="utf-8")
    assert upward(source, module_name(path)) == []
    outside = {name.split(".")[0] for name in imports_of(path)}
    assert not outside & {"streamlit", "streamlit_folium", "ui", "pages", "app", "tests"}


def test_an_arrow_the_other_way_is_seen():
    assert upward("from core.vector import layers", "core.data.audit") == ["core.vector.layers"]
    assert upward("def f():\n    import core.jobs.jobs", "core.scene") == ["core.jobs.jobs"]
    assert upward("from ..prediction import predict", "core.learning.training") == ["core.prediction.predict"]
    assert upward("from core import geo, vector", "core.scene") == ["core.vector"]
    assert upward("from core.errors import GroundlineError\nfrom core import files", "core.geo") == []


def test_every_module_of_core_has_its_level():
    """A new module at the top of core has to be given a level, or it would count as one of the lowest."""
    known = {entry for entries in CORE_LEVELS for entry in entries}
    top = {".".join(module_name(path).split(".")[:2]) for path in CORE}
    assert top <= known


@pytest.mark.parametrize("path", CORE, ids=module_name)
def test_networks_are_touched_by_learning_and_the_engine_alone(path):
    module = module_name(path)
    if any(belongs(module, place) for place in WITH_NETWORKS):
        return
    assert not {name.split(".")[0] for name in imports_of(path)} & NETWORK_LIBRARIES


@pytest.mark.parametrize("path", UI, ids=module_name)
def test_ui_imports_no_page_and_no_network(path):
    roots = {name.split(".")[0] for name in imports_of(path)}
    assert not roots & ({"pages", "app", "tests"} | NETWORK_LIBRARIES)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_no_page_imports_a_page_or_a_network(path):
    roots = {name.split(".")[0] for name in imports_of(path)}
    assert not roots & ({"pages", "app", "tests"} | NETWORK_LIBRARIES | {page.stem for page in PAGES})


def loaded_by(statement: str, *names: str) -> str:
    code = f"import sys\n{statement}\nprint(' '.join(sorted({set(names)!r} & set(sys.modules))))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return answer.stdout.strip().splitlines()[-1] if answer.stdout.strip() else ""


def test_core_loads_no_network_library():
    assert loaded_by("import core", "tensorflow", "keras", "streamlit") == ""


def test_what_the_dashboard_imports_of_core_loads_no_network_library():
    used = {name for path in [*UI, *PAGES] for name in imports_of(path) if belongs(name, "core")}
    modules = sorted({found for name in used if (found := existing(name))})
    assert modules, "the dashboard imports nothing of core: this test has lost its object"
    assert loaded_by("; ".join(f"import {name}" for name in modules), "tensorflow", "keras") == ""


def existing(name: str) -> str:
    """The longest part of a dotted name that is a module of ours."""
    while name:
        path = ROOT.joinpath(*name.split("."))
        if path.with_suffix(".py").exists() or (path / "__init__.py").exists():
            return name
        name = name.rpartition(".")[0]
    return ""


def test_prediction_and_data_leave_pandas_to_the_vectors():
    """TensorFlow has to come before pandas (keras#23083): what a model's work imports must not bring pandas first."""
    modules = [module_name(path) for path in CORE if module_name(path).startswith(("core.data", "core.prediction", "core.evaluation"))]
    safe = [name for name in modules if "synthetic" not in name]
    assert loaded_by("; ".join(f"import {name}" for name in safe), "pandas", "pyarrow", "geopandas", "tensorflow") == ""


@pytest.mark.parametrize("page", ["1_Explore", "2_Train", "3_Predict"])
def test_pages_without_polygons_open_without_a_compiler(page):
    """numba takes a second to come in, which the first visit to a page would wait for; only vectors and prediction need it."""
    (path,) = (path for path in PAGES if path.stem == page)
    wanted = sorted({name for name in imports_of(path) if belongs(name, "ui") and existing(name)})
    assert wanted, f"{page} imports nothing of ui: this test has lost its object"
    assert loaded_by("; ".join(f"import {existing(name)}" for name in wanted), "numba", "scipy", "geopandas") == ""
