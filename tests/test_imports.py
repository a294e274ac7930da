"""Imports point one way: pages -> ui -> core, and inside each from the top floor to the ground; heavy libraries stay where they belong."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from core.verbs.registry import _ROWS

ROOT = Path(__file__).resolve().parents[1]

# From the ground up: a module may import those of its own floor and of the floors before it.
FLOORS = (
    ("core", "core.errors", "core.words", "core.plain", "core.html_page", "core.compiling", "core.colours"),
    ("core.digests", "core.files", "core.claims", "core.hdf5"),
    ("core.progress", "core.progress_line", "core.reading", "core.geo", "core.projecting", "core.settings", "core.networks"),
    ("core.classes", "core.workspace"),
    ("core.projects", "core.cluster"),
    ("core.confusion", "core.scenes", "core.model_store"),
    ("core.datasets",),
    ("core.patches",),
    ("core.training", "core.audit", "core.prediction"),
    ("core.evaluation",),
    ("core.labelling",),
    ("core.vector",),
    ("core.handover",),
    ("core.publishing",),
    ("core.verbs",),
    ("core.jobs", "core.__main__"),
)
# Rooms of one floor that must not know each other.
APART = (
    ("core.training", "core.prediction"),
    ("core.training", "core.audit"),
    ("core.audit", "core.prediction"),
    ("core.scenes", "core.model_store"),
    ("core.confusion", "core.scenes"),
    ("core.confusion", "core.model_store"),
)
# A page's folder imports no other page's folder, but for these.
PAGE_ARROWS = {("ui.runs", "ui.train")}
SHARED_BY_PAGES = ("ui.viewer",)
NETWORK_LIBRARIES = {"tensorflow", "keras", "segmentation_models", "openvino", "onnx", "tf2onnx", "onnxruntime", "nncf", "jax", "torch"}
WITH_NETWORKS = ("core.networks", "core.model_store", "core.training", "core.prediction.engines")

CORE = sorted((ROOT / "core").rglob("*.py"))
UI = sorted((ROOT / "ui").rglob("*.py"))
PAGES = [*sorted((ROOT / "pages").glob("*.py")), ROOT / "app.py"]
PAGE_FOLDERS = sorted({f"ui.{path.parent.name}" for path in UI if path.parent.name != "ui"} - set(SHARED_BY_PAGES))


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


def floor(name: str) -> int:
    """The floor of a module of core: that of the longest entry it belongs to."""
    found = [(len(entry), k) for k, entries in enumerate(FLOORS) for entry in entries if belongs(name, entry)]
    return max(found)[1]


def wrong_arrows(source: str, module: str) -> list[str]:
    """Imports of core that point to a higher floor than the module's own, or to a room that it must not know."""
    inside = [name for name in imported(source, module) if belongs(name, "core")]
    upward = {name for name in inside if floor(name) > floor(module)}
    apart = {
        name for name in inside for pair in APART for here, there in (pair, pair[::-1]) if belongs(module, here) and belongs(name, there)
    }
    return sorted(upward | apart)


def graph_of(paths: Iterable[Path]) -> dict[str, set[str]]:
    """Each module with the modules of ours that it imports, those inside functions too."""
    known = {module_name(path): path for path in paths}
    return {
        name: {found for wanted in imported(path.read_text(encoding="utf-8"), name) if (found := longest(wanted, known)) and found != name}
        for name, path in known.items()
    }


def longest(name: str, known: Mapping[str, object]) -> str:
    """The longest part of a dotted name that is among the known modules."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """One circle of modules that import each other, [] where there is none."""
    done: set[str] = set()
    for start in sorted(graph):
        path: list[str] = []
        stack: list[tuple[str, Iterator[str]]] = [(start, iter(sorted(graph[start])))] if start not in done else []
        path = [start] if stack else []
        while stack:
            _name, rest = stack[-1]
            step = next(rest, None)
            if step is None:
                stack.pop()
                done.add(path.pop())
            elif step in path:
                return [*path[path.index(step) :], step]
            elif step not in done:
                stack.append((step, iter(sorted(graph.get(step, ())))))
                path.append(step)
    return []


@pytest.mark.parametrize("path", CORE, ids=module_name)
def test_core_imports_only_downward_and_never_the_dashboard(path):
    source = path.read_text(encoding="utf-8")
    assert wrong_arrows(source, module_name(path)) == []
    outside = {name.split(".")[0] for name in imports_of(path)}
    assert not outside & {"streamlit", "streamlit_folium", "ui", "pages", "app", "tests", "sample_data"}


def test_an_arrow_the_other_way_is_seen():
    assert wrong_arrows("from core.vector import vectorize", "core.audit.audit") == ["core.vector.vectorize"]
    assert wrong_arrows("def f():\n    import core.jobs.jobs", "core.scenes.scene") == ["core.jobs.jobs"]
    assert wrong_arrows("from ..prediction import predict", "core.training.training") == ["core.prediction.predict"]
    assert wrong_arrows("from core.training.run import Run", "core.prediction.predict") == ["core.training.run.Run"]
    assert wrong_arrows("from core.model_store.cards import ModelCard", "core.networks.unet") == ["core.model_store.cards.ModelCard"]
    assert wrong_arrows("from core import geo, vector", "core.scenes.scene") == ["core.vector"]
    assert wrong_arrows("from core.errors import GroundlineError\nfrom core import files", "core.geo") == []


def test_every_module_of_core_has_its_floor():
    """A new module at the top of core has to be given a floor, or it would count as one of the lowest."""
    known = {entry for entries in FLOORS for entry in entries}
    top = {".".join(module_name(path).split(".")[:2]) for path in CORE}
    assert top <= known
    assert known <= top, "a floor names what is not there"


def test_no_two_modules_import_each_other_by_any_way_round():
    graph = graph_of([*CORE, *UI])
    graph["core.verbs.registry"] |= {f"core.verbs.{file}" for file, _words in _ROWS.values()}  # which it loads by their names
    assert circle(graph) == []


def test_a_circle_is_seen_even_inside_functions(tmp_path):
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    texts = {"core.one": "def f():\n    from core.two import g", "core.two": "if True:\n    from core import one"}
    graph = {name: {longest(wanted, texts) for wanted in imported(text, name)} for name, text in texts.items()}
    assert circle(graph) == ["core.one", "core.two", "core.one"]


def test_scenes_know_no_reader():
    """`scenes/scene.py` is what every reader builds on."""
    assert not {name for name in imports_of(ROOT / "core" / "scenes" / "scene.py") if belongs(name, "core.scenes")}


@pytest.mark.parametrize("path", CORE, ids=module_name)
def test_networks_are_touched_by_few_rooms_alone(path):
    module = module_name(path)
    if any(belongs(module, place) for place in WITH_NETWORKS):
        return
    assert not {name.split(".")[0] for name in imports_of(path)} & NETWORK_LIBRARIES


@pytest.mark.parametrize("path", UI, ids=module_name)
def test_ui_imports_no_page_and_no_network(path):
    roots = {name.split(".")[0] for name in imports_of(path)}
    assert not roots & ({"pages", "app", "tests"} | NETWORK_LIBRARIES)


def foreign_rooms(names: Iterable[str], module: str) -> set[tuple[str, str]]:
    """Arrows from a module of ui into the folder of another page, and from the shell into any page's folder."""
    here = next((room for room in (*PAGE_FOLDERS, *SHARED_BY_PAGES) if belongs(module, room)), "ui")
    there = {room for name in names for room in PAGE_FOLDERS if belongs(name, room)} - {here}
    if here == "ui":
        there |= {room for name in names for room in SHARED_BY_PAGES if belongs(name, room)}
    return {(here, room) for room in there} - PAGE_ARROWS


@pytest.mark.parametrize("path", UI, ids=module_name)
def test_no_page_folder_imports_another(path):
    assert foreign_rooms(imports_of(path), module_name(path)) == set()


def test_an_arrow_between_pages_is_seen():
    assert foreign_rooms({"ui.map.page"}, "ui.predict.run") == {("ui.predict", "ui.map")}
    assert foreign_rooms({"ui.train.forms"}, "ui.runs.one_run") == set()
    assert foreign_rooms({"ui.viewer.tiles"}, "ui.library") == {("ui", "ui.viewer")}
    assert foreign_rooms({"ui.viewer.tiles", "ui.state"}, "ui.map.page") == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_no_page_imports_a_page_or_a_network(path):
    roots = {name.split(".")[0] for name in imports_of(path)}
    assert not roots & ({"pages", "app", "tests"} | NETWORK_LIBRARIES | {page.stem for page in PAGES})


def loaded_by(modules: dict[str, Iterable[str]], *names: str) -> dict[str, list[str]]:
    """Which of the libraries `names` come in with the modules of each entry, in one process; entries that bring none left out."""
    code = f"""import importlib, json, sys
came, before = {{}}, set()
for part, modules in { ({part: sorted(each) for part, each in modules.items()})!r}.items():
    for name in modules:
        importlib.import_module(name)
    there = set({names!r}) & set(sys.modules)
    if there - before:
        came[part] = sorted(there - before)
    before |= there
print(json.dumps(came))"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return json.loads(answer.stdout.strip().splitlines()[-1])


def test_core_loads_no_network_library():
    assert loaded_by({"core": ["core"]}, "tensorflow", "keras", "streamlit") == {}


def test_what_the_dashboard_imports_of_core_loads_no_network_library():
    used = {name for path in [*UI, *PAGES] for name in imports_of(path) if belongs(name, "core")}
    modules = {found for name in used if (found := existing(name))}
    assert modules, "the dashboard imports nothing of core: this test has lost its object"
    assert loaded_by({"the dashboard": modules}, "tensorflow", "keras") == {}


def existing(name: str) -> str:
    """The longest part of a dotted name that is a module of ours."""
    while name:
        path = ROOT.joinpath(*name.split("."))
        if path.with_suffix(".py").exists() or (path / "__init__.py").exists():
            return name
        name = name.rpartition(".")[0]
    return ""


def test_what_brings_a_library_is_named():
    assert loaded_by({"one": ["json"], "two": ["html", "wave"], "three": ["wave"]}, "wave", "html", "zipapp") == {"two": ["html", "wave"]}


@pytest.mark.parametrize(
    ("unused", "asks", "others"), [("sklearn", "keras.src.wrappers.fixes", "numba"), ("scipy", "numba.np.linalg", "keras")]
)
def test_a_package_alone_does_without_what_it_does_not_use(monkeypatch, unused, asks, others):
    """That Keras does without when it starts is tested where one starts anyway, in tests/helpers/spread_run.py."""
    monkeypatch.delitem(sys.modules, unused, raising=False)
    look = f"from importlib.util import find_spec\nfound = find_spec('{unused}')"
    for name in ("core.labelling.classifier", others):
        exec(look, asked := {"__name__": name})
        assert asked["found"] is not None
    with pytest.raises(ModuleNotFoundError, match=f"kept from {asks.partition('.')[0]}"):
        exec(look, {"__name__": asks})


def test_prediction_and_data_leave_pandas_to_the_vectors():
    """TensorFlow has to come before pandas (keras#23083): what a model's work imports must not bring pandas first."""
    rooms = ["scenes", "datasets", "audit", "patches", "prediction", "evaluation"]
    modules = {room: [module_name(path) for path in CORE if belongs(module_name(path), f"core.{room}")] for room in rooms}
    assert all(modules.values()), "a room is empty: this test has lost its object"
    assert loaded_by(modules, "pandas", "pyarrow", "geopandas", "tensorflow") == {}


def test_pages_without_polygons_open_without_a_compiler():
    """numba takes a second to come in, which the server's start or a first visit would wait for; only vectors and prediction need it."""
    found = [path for path in PAGES if path.stem in ("app", "1_Explore", "3_Train", "4_Predict")]
    wanted = {path.stem: {existing(name) for name in imports_of(path) if belongs(name, "ui") and existing(name)} for path in found}
    assert len(wanted) == 4 and all(wanted.values()), "a page imports nothing of ui: this test has lost its object"
    assert loaded_by(wanted, "numba", "scipy", "geopandas") == {}
