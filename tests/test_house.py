"""The house stays in order: small folders, one file for each verb, one row for each thing of a table, and ui only draws.

Imports and circles are `test_imports.py`. Each rule is a function of its input, and a planted breach shows that it sees one.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from core.networks.architectures import ON_AN_ENCODER, architectures
from core.networks.encoders import ZOO_ENCODERS
from core.settings import Settings, group, options, request_options, setting
from core.vector.formats.products import PRODUCTS
from core.verbs import train
from core.verbs.options import add_options, build_parser, word_of
from core.verbs.registry import TYPED, VERBS
from ui import frame

ROOT = Path(__file__).resolve().parents[1]
MOST_FILES = 20
MOST_OF_A_PREFIX = 2
# What draws, or steers what does: a file of ui/ that imports none of these can do its work in a notebook, and is core's.
DRAWING = {"streamlit", "streamlit_folium", "folium", "branca", "plotly", "starlette", "ui"}
# Of use to a dashboard only, though they draw nothing: the memory of the server's process, its downloads.
OF_A_DASHBOARD = {"ui/server/ahead.py", "ui/server/memory.py", "ui/train/zips.py"}

# Files of core/verbs that are no verb but what verbs share.
SHARED_BY_VERBS = {"options", "registry", "tables", "verb"}
# Writers that are no row of PRODUCTS: the one that asks the table, a part of the printed map, and what is no file.
NO_PRODUCTS = {"export.write_product", "online_base.draw_online", "postgis.write_table"}


def sources(*folders: str) -> list[Path]:
    """Paths of all Python files in folders of the project, relative to it."""
    return sorted(path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*.py"))


def crowded(paths: Iterable[PurePath]) -> list[str]:
    """Folders with too many files, and names that begin alike (`map`, `map_form`, `map_view`), which asks for a folder of their own."""
    names: dict[PurePath, list[str]] = {}
    for path in paths:
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


def places(settings: type[Settings]) -> dict[str, str]:
    """Where a request holds each field of a settings class, those of groups opened up ("settings.epochs"), and its flag ("" for none)."""
    found = {}
    for option in request_options(settings):
        if option.group:
            found |= {f"{option.key}.{inner.name}": inner.flag for inner in options(option.group)}
        else:
            found[option.key] = option.flag
    return found


def not_said_once(settings: Iterable[type[Settings]], parser: argparse.ArgumentParser) -> list[str]:
    """What settings and flags of a verb do not share: fields without a flag, flags without a field or with a default of their own."""
    flags = {action.dest: action for action in parser._actions if action.dest not in ("help", "json", "instead")}
    asked = {place: flag for one in settings for place, flag in places(one).items()}
    lost = [f"no flag: {place}" for place, flag in asked.items() if flag and place not in flags]
    strange = [f"no field: {dest}" for dest in flags if not asked.get(dest)]
    own = [f"a default of its own: {dest}" for dest, action in flags.items() if action.default is not argparse.SUPPRESS]
    return sorted(lost + strange + own)


def reached(settings: type[Settings]) -> set[type[Settings]]:
    """A settings class, those it is made from, and those of its groups."""
    inner = [option.group for option in options(settings) if option.group]
    bases = {base for base in settings.__mro__ if issubclass(base, Settings)} - {Settings}
    return bases.union(*(reached(one) for one in inner))


def heirs(base: type) -> set[type]:
    """All classes of core that are made from one."""
    return {heir for one in base.__subclasses__() if one.__module__.startswith("core.") for heir in {one, *heirs(one)}}


def unlisted_verbs(rows: Mapping[str, str], files: Iterable[str]) -> set[str]:
    """Files of core/verbs without a row under their name, and rows (name and file) that lie in no file of that name."""
    return {name for name, file in rows.items() if name != file} ^ (set(files) - set(rows))


def unlisted_writers(rows: Iterable[str], texts: Mapping[str, str]) -> set[str]:
    """What only one side knows: writers in the table of products ("file.function"), and `write_` and `draw_` functions of source texts."""
    written = {
        f"{file}.{node.name}"
        for file, text in texts.items()
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith(("write_", "draw_"))
    }
    return written ^ set(rows)


def test_folders_are_small_and_no_prefix_asks_for_one():
    assert crowded(sources("core", "ui")) == []


def test_a_crowded_folder_is_seen():
    many = [PurePath("core/room", f"f{number}.py") for number in range(21)]
    assert crowded(many) == ["core/room: 21 files"] and crowded(many[1:]) == []
    maps = [PurePath("ui", name) for name in ("map_view.py", "map_form.py", "map.py", "map_page.py", "__init__.py", "__main__.py")]
    assert crowded(maps) == ["ui: 4 files map*"] and crowded(maps[2:]) == []


# What is a text of others by its name: messages, notes, sentences, and titles of files, jobs and models.
FOREIGN = (
    r"(?:error|note|why|line|trouble|sentence|label|path|folder)\b",
    r"\w+(?:\.\w+)*\.(?:title|name|note|text|sentence|scheme_source|dataset)\b",
)
SHOWN = re.compile(
    rf"st\.(?:error|warning|info|success|caption|markdown|toast|subheader)\((?:str\(|f\"[^\"]*{{)?(?:{'|'.join(FOREIGN)})[)}},\[]"
)
# Sentences of the tour, and those on a model whose names went through it before.
SHOWN_AS_THEY_ARE = {"ui/tour.py", "ui/predict/models.py"}


def test_texts_of_others_are_handed_to_the_pages_by_in_markdown_alone():
    texts = {path.as_posix(): (ROOT / path).read_text(encoding="utf-8") for path in sources("ui")}
    found = {name: SHOWN.findall(text) for name, text in texts.items() if name not in SHOWN_AS_THEY_ARE}
    assert {name: calls for name, calls in found.items() if calls} == {}
    for breach in ("st.error(str(error), icon=x)", 'st.caption(f"On {model.card.name}, {count} px")', "st.warning(note, icon=x)"):
        assert SHOWN.search(breach), breach


def test_tables_that_can_be_taken_home_are_drawn_in_one_place():
    texts = {path.as_posix(): (ROOT / path).read_text(encoding="utf-8") for path in sources("ui")}
    assert [name for name, text in texts.items() if ".dataframe(" in text] == ["ui/tables.py"]


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
    rows = {row for info in architectures() for row in (info.builder, info.on_lite) if row is not None} | {ON_AN_ENCODER}
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


def test_every_field_of_a_verb_is_a_flag_and_no_flag_has_a_default_of_its_own():
    (words,) = (action for action in build_parser(TYPED, VERBS.values())._actions if isinstance(action, argparse._SubParsersAction))
    typed = [VERBS[name] for name in TYPED]
    assert set(words.choices) == {word_of(name) for name in TYPED}
    for verb in typed:
        beside = [other.settings for other in train.INSTEAD] if verb is train.VERB else []
        assert not_said_once([verb.settings, *beside], words.choices[word_of(verb.name)]) == [], verb.name


def test_every_field_of_a_verb_is_a_key_of_its_request_and_every_settings_class_is_some_verbs():
    for verb in VERBS.values():
        assert {place.partition(".")[0] for place in places(verb.settings)} == {*verb.required, *verb.optional}, verb.name
    assert heirs(Settings) == set().union(*(reached(verb.settings) for verb in VERBS.values()))


@dataclass(frozen=True)
class Laying(Settings):
    overlap: float = setting(0.5, "of a patch with the next one")


@dataclass(frozen=True)
class Asked(Settings):
    stride: int = setting(8, "pixels from one patch to the next")
    steps: int = setting(3, "cannot be typed", flag="")
    laying: Laying = group(Laying(), key="settings")


def test_a_flag_that_says_a_default_again_or_was_forgotten_is_seen():
    parser = argparse.ArgumentParser()
    add_options(parser, Asked)
    assert not_said_once([Asked], parser) == []
    parser.set_defaults(stride=16)
    parser.add_argument("--steps", type=int, default=argparse.SUPPRESS)
    parser.add_argument("--width", type=int, default=argparse.SUPPRESS)
    assert not_said_once([Asked], parser) == ["a default of its own: stride", "no field: steps", "no field: width"]
    assert not_said_once([Asked], argparse.ArgumentParser()) == ["no flag: settings.overlap", "no flag: stride"]
    assert reached(Asked) == {Asked, Laying} and Laying not in heirs(Settings)


def test_every_verb_has_a_file_of_its_name_and_every_file_a_verb():
    instead = {verb.name for verb in train.INSTEAD}
    rows = {name: verb.run.__module__.rpartition(".")[2] for name, verb in VERBS.items() if name not in instead}
    files = {path.stem for path in sources("core/verbs")} - SHARED_BY_VERBS - {"__init__"}
    assert unlisted_verbs(rows, files) == set()


def test_a_verb_without_a_row_or_in_anothers_file_is_seen():
    assert unlisted_verbs({"audit": "audit", "train": "train"}, ["audit", "train"]) == set()
    assert unlisted_verbs({"audit": "audit", "probe": "train"}, ["audit", "tile"]) == {"probe", "tile"}


def test_every_writer_of_a_layer_has_a_row_and_every_row_a_writer():
    def named(function) -> str:
        told = inspect.getclosurevars(function).nonlocals
        return f"{told['module']().__name__.rpartition('.')[2]}.{told['name']}"

    texts = {path.stem: (ROOT / path).read_text(encoding="utf-8") for path in sources("core/vector/formats", "core/vector/printing")}
    assert unlisted_writers({named(product.write) for product in PRODUCTS.values()} | NO_PRODUCTS, texts) == set()


def test_a_writer_without_a_row_is_seen():
    texts = {"texts": "def write_csv(): ...\ndef read_csv(): ...", "svg": "def write_svg(): ..."}
    assert unlisted_writers(["texts.write_csv", "texts.write_kml"], texts) == {"svg.write_svg", "texts.write_kml"}


def test_every_network_on_an_encoder_is_one_that_the_library_has():
    (families,) = (
        node.value
        for node in ast.parse((ROOT / "core/networks/zoo.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_FAMILIES"
    )
    assert set(ast.literal_eval(families)) == {info.name for info in architectures() if set(info.encoders) & set(ZOO_ENCODERS)}
