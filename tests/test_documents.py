"""What the documents say is there is there: links, files, commands, modules and figures; planted breaches are seen."""

from __future__ import annotations

import ast
import io
import json
import re
import shlex
import tokenize
from collections.abc import Iterable
from pathlib import Path

import pytest

from bench import accuracy
from core.verbs import registry
from core.verbs.options import build_parser, word_of
from tools import draw_rooms

ROOT = Path(__file__).resolve().parents[1]
MOST_LINES = 120
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "CHANGELOG.md",
    *(ROOT / "docs").glob("*.md"),
    ROOT / "bench" / "README.md",
]
OF_THE_CODE = [path for room in ("core", "ui", "pages", "bench", "tools", "docs", "sample_data") for path in (ROOT / room).rglob("*.py")]


def missing_links(text: str, folder: Path) -> list[str]:
    """Targets of a document's links and pictures that are no address of the web and do not lie where `folder` makes them lie."""
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    return [target for target in targets if target and not (folder / target).exists()]


def missing_programs(text: str) -> list[str]:
    """Files that `python FILE.py` names and the project does not hold."""
    return [name for name in re.findall(r"python3? (?:-m pytest )?([\w./-]+\.py)\b", text) if not (ROOT / name).exists()]


def missing_modules(text: str) -> list[str]:
    """Names of our rooms and modules, as paths or with dots, that lead nowhere; a part in capitals stands for one's own."""
    found = []
    for name in re.findall(r"(?<![\w./<-])((?:core|ui|pages|tests|tools|sample_data)(?:[./]\w+)+)", text):
        parts = re.split(r"[./]", name.removesuffix(".py"))
        if not any(len(part) > 1 and part.isupper() for part in parts) and not leads_somewhere(parts, attribute="/" not in name):
            found.append(name)
    return found


def leads_somewhere(parts: list[str], *, attribute: bool) -> bool:
    """Whether the parts name a folder, a module, another file, or with `attribute` something inside a module."""
    path = ROOT.joinpath(*parts)
    if path.is_dir() or path.with_suffix(".py").is_file() or (len(parts) > 1 and path.parent.with_suffix(f".{parts[-1]}").is_file()):
        return True
    return attribute and (ROOT.joinpath(*parts[:-1]).with_suffix(".py").is_file() or is_room(parts[:-1], parts[-1]))


def is_room(parts: list[str], name: str) -> bool:
    """Whether the parts name a package whose `__init__.py` knows the name."""
    start = ROOT.joinpath(*parts, "__init__.py")
    return start.is_file() and re.search(rf"\b{name}\b", start.read_text(encoding="utf-8")) is not None


def words_of(source: str) -> str:
    """Comments and strings of a source text; what the code itself names, the imports and the linter see."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return "\n".join(token.string for token in tokens if token.type in (tokenize.COMMENT, tokenize.STRING))


def typed_commands(text: str) -> list[str]:
    """Every command of the code blocks and code words of a text that `groundline` or `python -m core` begins, one for each alternative."""
    lines = re.findall(r"(?:groundline|python -m core|python start\.py core)((?: +[^\s`#|]+(?: *\| *--[\w-]+)*| +\"[^\"]*\")+)", text)
    commands = []
    for line in lines:
        alternatives = re.search(r"--[\w-]+(?: *\| *--[\w-]+)+", line)
        for one in re.split(r" *\| *", alternatives[0]) if alternatives else [""]:
            commands.append(line.replace(alternatives[0], one).strip() if alternatives else line.strip())
    return [command for command in commands if command.split()[0] not in ("VERB", "--help")]


def refused(commands: Iterable[str]) -> list[str]:
    """The commands that the command line would not understand; nothing is run."""
    parser, known = build_parser(registry.TYPED, registry.VERBS.values()), {word_of(name) for name in registry.TYPED}
    wrong = []
    for command in commands:
        words = shlex.split(command)
        if len(words) == 1 and words[0] in known:
            continue  # a verb that is only named
        try:
            parser.parse_args(words)
        except SystemExit:
            wrong.append(command)
    return wrong


def figures(text: str) -> set[str]:
    """Numbers of a text, as they are written."""
    return set(re.findall(r"\d+(?:\.\d+)?", text))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_link_file_and_command_of_a_document_is_there(path):
    text = path.read_text(encoding="utf-8")
    assert missing_links(text, path.parent) == []
    assert missing_programs(text) == []
    assert refused(typed_commands(text)) == []


@pytest.mark.parametrize("path", [path for path in [*DOCUMENTS, *OF_THE_CODE] if path.name != "CHANGELOG.md"], ids=name_of)
def test_no_text_names_a_module_that_is_not_there(path):
    text = path.read_text(encoding="utf-8")
    assert missing_modules(words_of(text) if path.suffix == ".py" else text) == []


def test_the_readme_is_short_and_shows_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < MOST_LINES
    told = {command.split()[0] for command in typed_commands(text)}
    assert {word_of(name) for name in registry.TYPED} <= told, "a verb that the README does not show"


def test_headline_figures_of_accuracy_are_those_of_its_tables():
    told = set().union(*(figures(result) for _, result, _ in accuracy.headlines(json.loads(accuracy.SCORES.read_text(encoding="utf-8")))))
    assert len(told) == 4 and told <= figures((ROOT / "docs" / "ACCURACY.md").read_text(encoding="utf-8"))


def test_breaches_are_seen(tmp_path):
    (tmp_path / "here.md").touch()
    assert missing_links("[a](here.md#part) ![b](gone.png) [c](https://example.org/gone)", tmp_path) == ["gone.png"]
    assert missing_programs("`python bench/gone.py all`, `python start.py test`") == ["bench/gone.py"]
    assert missing_modules("core/data/pairs.py and core.learning.cards, `core.jobs.kinds`") == [
        "core/data/pairs.py",
        "core.learning.cards",
        "core.jobs.kinds",
    ]
    right = "core/verbs/MINE.py, core.workspace.PROJECT, core/vector/, core.verbs, core/vector/printing/report.html, ui/<page>"
    assert missing_modules(f"{right}, core.networks.build, core.__version__") == []
    assert words_of("core.read(1)  # core.a\n'core.b'") == "# core.a\n'core.b'"
    assert missing_modules("core.vector.paint.all") == ["core.vector.paint.all"]
    assert typed_commands("groundline train A B --probe | --search\ngroundline models") == [
        "train A B --probe",
        "train A B --search",
        "models",
    ]
    assert refused(["models", "predict M S P --overlap 0.5", "predict M S P --sharp", "paint A"]) == ["predict M S P --sharp", "paint A"]
    assert not figures("3.4 times, 361 MiB") <= figures("3.4 and 362")


def rooms_told(text: str) -> dict[str, str]:
    """Folder and sentence of each row of a table of folders."""
    return dict(re.findall(r"^\| `([\w/]+)/` \| (.+) \|$", text, flags=re.MULTILINE))


def test_each_folder_is_told_as_its_package_tells_it():
    told = rooms_told((ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8"))
    packages = [
        path for room in ("core", "ui", "sample_data") for path in (ROOT / room).rglob("__init__.py") if path.parent != ROOT / "core"
    ]
    sentences = {name_of(path.parent): ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).splitlines()[0] for path in packages}
    assert told == sentences
    assert rooms_told("| folder | what |\n|---|---|\n| `core/a/` | A room. |\n") == {"core/a": "A room."}


def test_the_picture_of_the_rooms_is_what_the_code_is():
    assert draw_rooms.PICTURE.read_text(encoding="utf-8") == draw_rooms.draw(), "run `python tools/draw_rooms.py`, and look at the picture"


def test_another_arrow_is_another_picture(monkeypatch):
    graph = draw_rooms.arrows()
    graph["core.scenes"].add("core.networks")
    monkeypatch.setattr(draw_rooms, "arrows", lambda: graph)
    assert draw_rooms.PICTURE.read_text(encoding="utf-8") != draw_rooms.draw()
