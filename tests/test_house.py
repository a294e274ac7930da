"""The house stays in order: small folders, one file for each verb, one row for each thing of a table, and ui only draws.

Imports and circles are `test_imports.py`. Each rule is a function of its input, and a planted breach shows that it sees one.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath

from core.networks.architectures import ON_AN_ENCODER, architectures
from ui import frame

ROOT = Path(__file__).resolve().parents[1]
MOST_FILES = 20
MOST_OF_A_PREFIX = 2
# What draws, or steers what does: a file of ui/ that imports none of these can do its work in a notebook, and is core's.
DRAWING = {"streamlit", "streamlit_folium", "folium", "branca", "plotly", "starlette", "ui"}
# Of use to a dashboard only, though they draw nothing: what all forms share, the memory of the server's process, its downloads.
OF_A_DASHBOARD = {"ui/input.py", "ui/memory.py", "ui/zips.py"}


def sources(*folders: str) -> list[Path]:
    """Paths of all Python files in folders of the project, relative to it."""
    return sorted(path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*.py"))


def crowded(paths: Iterable[PurePath]) -> list[str]:
    """Folders with too many files, and names that begin alike (`map`, `map_form`, `map_view`), which asks for a folder of their own."""
    names: dict[PurePath, list[str]] = {}
    for path in paths:
        if path.name != "__init__.py":
            names.setdefault(path.parent, []).append(path.stem)
    found = [f"{folder}: {len(files)} files" for folder, files in names.items() if len(files) > MOST_FILES]
    for folder, files in names.items():
        prefixes = Counter(name.partition("_")[0] for name in files if not name.startswith("_"))
        found += [f"{folder}: {count} files {prefix}*" for prefix, count in prefixes.items() if count > MOST_OF_A_PREFIX]
    return sorted(found)


def roots_of(source: str) -> set[str]:
    """First names of all modules that a source text imports, anywhere in it."""

    def names() -> Iterator[str]:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield node.module or ""

    return {name.partition(".")[0] for name in names()}


def not_drawing(texts: Mapping[str, str]) -> list[str]:
    """Files that import nothing that draws, of the source texts of ui by path; a package's one sentence is no such file."""
    return sorted(path for path, text in texts.items() if len(ast.parse(text).body) > 1 and not roots_of(text) & DRAWING)


def unlisted_builders(rows: Iterable[str], texts: Mapping[str, str]) -> set[str]:
    """What only one side knows: rows of the table of networks ("file.function"), and `build_` functions of source texts by file."""
    built = {
        f"{file}.{node.name}"
        for file, text in texts.items()
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("build_")
    }
    return built ^ set(rows)


def met_twice(texts: Mapping[str, str]) -> dict[str, list[str]]:
    """Public classes that several source texts define, with the files; one name for two things makes a reader guess."""
    homes: dict[str, list[str]] = {}
    for path, text in texts.items():
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(path)
    return {name: paths for name, paths in homes.items() if len(paths) > 1}


def unlisted_pages(table: Iterable[str], files: Iterable[str]) -> set[str]:
    """Paths of pages that only the frame's table knows, or only the folder that Streamlit reads."""
    return set(table) ^ set(files)


def constants_of(tree: ast.Module) -> dict[str, str]:
    """Texts that a module gives names to at its top, by the name."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                both = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                pairs = zip(target.elts, node.value.elts, strict=True) if both else [(target, node.value)]
                found |= {name.id: value.value for name, value in pairs if isinstance(name, ast.Name) and is_text(value)}
    return found


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def typed_again(names: Mapping[str, str], texts: Mapping[str, str]) -> list[str]:
    """Texts of `names` (file name: who named it first) that a file of ui types once more instead of asking."""
    return sorted(
        f"{path}: {node.value} of {names[node.value]}"
        for path, text in texts.items()
        for node in ast.walk(ast.parse(text))
        if is_text(node) and node.value in names
    )


def session_keys(tree: ast.Module) -> tuple[list[ast.expr], list[ast.expr]]:
    """The keys of `st.session_state` that a module writes or takes away, and those that it gives to widgets."""
    written, given = [], []
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and is_session(node.value) and not isinstance(node.ctx, ast.Load):
            written.append(node.slice)
        elif isinstance(node, ast.Call):
            given += [word.value for word in node.keywords if word.arg == "key"]
            if isinstance(node.func, ast.Attribute) and is_session(node.func.value) and node.func.attr in ("pop", "setdefault"):
                written.append(node.args[0])
    return written, given


def is_session(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "session_state"


def foreign_writes(texts: Mapping[str, str]) -> list[str]:
    """Session keys that a file writes though another one names them, of source texts by path; keys put together are passed over."""
    named: dict[str, set[str]] = {}
    writes: list[tuple[str, ast.expr, dict[str, str]]] = []
    for path, text in texts.items():
        tree = ast.parse(text)
        own, (written, given) = constants_of(tree), session_keys(tree)
        for key in [*own.values(), *(node.value for node in [*written, *given] if is_text(node))]:
            named.setdefault(key, set()).add(path)
        writes += [(path, node, own) for node in written]
    found = set()
    for path, node, own in writes:
        key = node.value if is_text(node) else own.get(node.id) if isinstance(node, ast.Name) else None
        if isinstance(node, ast.Attribute) or (isinstance(node, ast.Name) and node.id.isupper() and key is None):
            found.add(f"{path}: {ast.unparse(node)}")
        elif key is not None and named[key] != {path}:
            found.add(f"{path}: {key}")
    return sorted(found)


def test_folders_are_small_and_no_prefix_asks_for_one():
    assert crowded(sources("core", "ui")) == []


def test_a_crowded_folder_is_seen():
    many = [PurePath("core/room", f"f{number}.py") for number in range(21)]
    assert crowded(many) == ["core/room: 21 files"] and crowded(many[1:]) == []
    maps = [PurePath("ui", name) for name in ("map_view.py", "map_form.py", "map.py", "map_page.py", "__init__.py", "__main__.py")]
    assert crowded(maps) == ["ui: 4 files map*"] and crowded(maps[2:]) == []


def test_what_does_not_draw_is_not_in_ui():
    texts = {path.as_posix(): (ROOT / path).read_text(encoding="utf-8") for path in sources("ui")}
    assert set(not_drawing(texts)) == OF_A_DASHBOARD & set(texts)


def test_a_file_of_ui_that_draws_nothing_is_seen():
    sums = '"""Sums."""\nimport numpy as np\nfrom core import words\ndef add(): ...'
    assert not_drawing(
        {"ui/sums.py": sums, "ui/page.py": "def f():\n    import streamlit as st\n    st.write(1)\n", "ui/__init__.py": '"""ui."""'}
    ) == ["ui/sums.py"]


def test_every_network_has_a_row_and_every_row_a_file():
    texts = {path.stem: (ROOT / path).read_text(encoding="utf-8") for path in sources("core/networks")}
    rows = {info.builder for info in architectures() if info.builder is not None} | {ON_AN_ENCODER}
    assert unlisted_builders(rows, texts) == set()


def test_a_network_without_a_row_is_seen():
    texts = {"unet": "def build_unet(): ...\ndef _build_block(): ...", "segformer": "def build_segformer(): ..."}
    assert unlisted_builders(["unet.build_unet", "fast.build_fast"], texts) == {"segformer.build_segformer", "fast.build_fast"}


def test_a_class_name_of_core_means_one_thing():
    assert met_twice({path.as_posix(): (ROOT / path).read_text(encoding="utf-8") for path in sources("core")}) == {}


def test_a_class_name_that_means_two_things_is_seen():
    texts = {"a.py": "class Regions: ...", "b.py": "class Regions: ...\nclass _Work: ...", "c.py": "class _Work: ..."}
    assert met_twice(texts) == {"Regions": ["a.py", "b.py"]}


def test_the_table_of_pages_and_the_folder_of_pages_say_the_same():
    files = [path.as_posix() for path in sources("pages")]
    assert unlisted_pages((path for path, _, _ in frame.PAGES.values()), ["app.py", *files]) == set()
    addresses = [frame.address(path) for path, _, _ in frame.PAGES.values()]
    assert addresses == ["", *(PurePath(file).stem.partition("_")[2] for file in files)]


def test_a_page_without_a_row_is_seen():
    assert unlisted_pages(["app.py", "pages/1_Old.py"], ["app.py", "pages/2_New.py"]) == {"pages/1_Old.py", "pages/2_New.py"}


def test_ui_types_no_file_name_of_core_again():
    names = {
        text: path.as_posix()
        for path in sources("core")
        for name, text in constants_of(ast.parse((ROOT / path).read_text(encoding="utf-8"))).items()
        if not name.startswith("_") and PurePath(text).suffix and "/" not in text and " " not in text
    }
    assert {"card.json", "prediction.json", "store.json", "classes.json"} <= set(names)
    assert typed_again(names, {path.as_posix(): (ROOT / path).read_text(encoding="utf-8") for path in sources("ui", "pages")}) == []


def test_a_file_name_typed_again_is_seen():
    names = constants_of(ast.parse('CARD_FILE, WEIGHTS_FILE = "card.json", "model.keras"\nMOST = 3'))
    assert names == {"CARD_FILE": "card.json", "WEIGHTS_FILE": "model.keras"}
    known = {text: "core/cards.py" for text in names.values()}
    assert typed_again(known, {"ui/a.py": 'path / "card.json"', "ui/b.py": "path / CARD_FILE"}) == ["ui/a.py: card.json of core/cards.py"]


def test_only_the_file_that_names_a_session_key_writes_it():
    texts = {path.as_posix(): (ROOT / path).read_text(encoding="utf-8") for path in [*sources("ui", "pages"), Path("app.py")]}
    assert foreign_writes(texts) == []


def test_a_session_key_written_from_elsewhere_is_seen():
    one = 'KEY = "gl_run"\nst.session_state[KEY] = 1\nst.slider(key="train_smooth")\nst.session_state.pop("own", None)'
    assert foreign_writes({"ui/one.py": one, "ui/two.py": "st.session_state.get(one.KEY)"}) == []
    for statement, key in (
        ("st.session_state[one.KEY] = 2", "one.KEY"),
        ("from ui.one import KEY\nst.session_state[KEY] = 2", "KEY"),
        ('st.session_state["train_smooth"] = 0.5', "train_smooth"),
        ("del st.session_state[one.KEY]", "one.KEY"),
        ('st.session_state.setdefault("gl_run", 2)', "gl_run"),
    ):
        assert f"ui/two.py: {key}" in foreign_writes({"ui/one.py": one, "ui/two.py": statement}), statement
