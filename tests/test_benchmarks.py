"""The documents of the benchmarks are what the records say, each program of bench/ is told of, and what fails is a row."""

from __future__ import annotations

import json
import os
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio

from bench import accuracy, all, peers, region
from bench.document import BEGIN, END, Headline, document, line, plain, readme_table, with_table
from bench.records import ROWS_FILE, Record, Row, keep, kept
from core.scenes.opening import open_scene
from core.scenes.scene import Window
from core.words import MIB

BENCH = Path(all.__file__).parent
MACHINE = {"cores": "2", "processor": "Small", "memory": "4 GiB", "system": "Linux", "Python": "3.11.7"}


def unlisted(programs: set[str], parts, apart, no_commands) -> set[str]:
    """Programs that the table of all benchmarks does not know, and rows of it that lead nowhere."""
    told = {words[0] for part in parts for words in part.commands} | {name for name, _ in apart} | set(no_commands)
    return programs ^ (told - {"__init__.py"})


def record(**changed) -> Record:
    rows = (Row("cut", "processor s", 2.0, "scissors", 5.0, key="cut"), Row("kept", "mean IoU", 0.5, "scissors", 0.4))
    return replace(Record("export", "2026-11-30", 60.0, 0.5, MACHINE, {"scissors": "1.2"}, rows), **changed)


def test_documents_are_what_the_records_say():
    for path, text in all.documents(all.records()).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is not of the records: run `python bench/all.py --from-records`"


def test_every_program_is_run_or_told_why_not():
    programs = {path.name for path in BENCH.glob("*.py")}
    assert unlisted(programs, all.PARTS, all.APART, all.NO_COMMANDS) == set()
    assert unlisted(programs | {"new.py"}, all.PARTS, all.APART, all.NO_COMMANDS) == {"new.py"}
    table = (BENCH / "README.md").read_text(encoding="utf-8")
    assert {name for name in programs - all.NO_COMMANDS if f"bench/{name}" not in table} == set()


def test_records_of_today_tell_nothing_of_whose_machine_it_was():
    text = "".join(path.read_text(encoding="utf-8") for path in (BENCH / "records").glob("*.json"))
    assert {part.name for part in all.PARTS} >= {one.part for one in all.records()}
    assert "/home/" not in text and "/root/" not in text and "/tmp/" not in text


def test_a_record_is_read_as_it_was_written(tmp_path):
    record().save(tmp_path)
    assert Record.load(tmp_path / "export.json") == record()


def test_rows_are_kept_where_they_are_gathered_and_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.delenv(ROWS_FILE, raising=False)
    keep("cut", "s", 1.0)
    told = tmp_path / "rows.jsonl"
    monkeypatch.setenv(ROWS_FILE, str(told))
    keep("cut", "s", 1.23456, "scissors", 2.0, key="cut")
    keep("cut", against="knife", note="blunt")
    assert kept(told) == [Row("cut", "s", 1.235, "scissors", 2.0, key="cut"), Row("cut", against="knife", note="blunt")]
    assert kept(tmp_path / "none.jsonl") == []


def test_a_row_tells_how_many_times_as_much_the_peer_takes():
    assert line(Row("cut", "processor s", 2.0, "scissors", 5.0)) == "| cut | processor s | 2 | scissors | 5 | 2.5 |"
    assert line(Row("cut", "MiB", 200.0, "scissors", 300.0)) == "| cut | MiB | 200 | scissors | 300 | 1.50 |"
    # More of a score is better: no such figure.
    assert line(Row("cut", "mean IoU", 0.5, "scissors", 0.4)) == "| cut | mean IoU | 0.5 | scissors | 0.4 |  |"
    assert line(Row("cut", against="knife", note="no /usr/local/knife here")) == "| cut | | | knife | not measured: no ... here | |"
    assert plain("a|b " + "c" * 300).startswith("a/b c") and len(plain("c" * 300)) == 203


def test_the_document_names_what_is_missing_and_who_was_busy():
    text = document(all.PARTS, [("long.py", "takes long")], [record()], "picture.svg")
    assert "| all | 2026-11-30 | 2 cores, Small, 4 GiB, Linux, Python 3.11.7 | 50% to 50% |" in text
    assert "busy with other work" in text and "busy with other work" not in document(all.PARTS, [], [record(busy=0.02)], "picture.svg")
    assert "| cut | processor s | 2 | scissors | 5 | 2.5 |" in text and "Versions: scissors 1.2." in text
    assert text.count("Not run yet.") == len(all.PARTS) - 1 and "| `python bench/long.py` | takes long |" in text
    two = document(all.PARTS, [], [record(), record(part="open", machine={**MACHINE, "cores": "8"})], "picture.svg")
    assert "| export | 2026-11-30 | 2 cores," in two and "| open | 2026-11-30 | 8 cores," in two


def test_the_readme_takes_the_span_of_the_rows_that_it_asks_for():
    rows = (Row("a", "s", 1.0, "b", 5.1, key="cut"), Row("c", "s", 2.0, "b", 15.8, key="cut"), Row("d", "s", 2.0, "b", 90.0))
    asked = [
        Headline("export", "cut", "cutting", "{span} times faster", "export.py"),
        Headline("export", "cut", "our seconds", "{span} s", "export.py", of_ours=True),
        Headline("open", "cut", "not there", "{span}", "open.py"),
    ]
    table = readme_table([("one", "0.5", "`two`")], asked, [record(rows=rows)])
    assert table.splitlines()[2:] == [
        "| one | 0.5 | `two` |",
        "| cutting | 5.1 to 7.9 times faster | `python bench/export.py` |",
        "| our seconds | 1.0 to 2.0 s | `python bench/export.py` |",
    ]
    assert with_table(f"a\n{BEGIN}\nold\n{END}\nb\n", "new") == f"a\n{BEGIN}\nnew\n{END}\nb\n"
    with pytest.raises(ValueError, match="put them back"):
        with_table("no marks", "new")


def test_a_command_that_fails_is_a_row_and_its_other_rows_stay(tmp_path, monkeypatch):
    keeps = "from bench.records import keep; keep('cut', 's', 1.0); raise SystemExit('the blade broke')"
    program = tmp_path / "fails.py"
    program.write_text(f"import sys; sys.path.insert(0, {str(BENCH.parent)!r}); {keeps}", encoding="utf-8")
    found = all.run(all.Part("export", "Cutting", ((str(program),),)))
    assert found.rows[0] == Row("cut", "s", 1.0)
    assert found.rows[1].ours is None and found.rows[1].note == "ended with 1: the blade broke" and 0 <= found.busy <= 1


def test_a_peer_that_cannot_be_made_says_why_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_BENCH_PEERS", str(tmp_path))
    monkeypatch.setitem(peers.PEERS, "knife", peers.Peer((), "print('knife', 1)", ("python-that-is-not-there",)))
    assert peers.version_of("knife") == "not installed: no python-that-is-not-there here"
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(peers, "did", lambda command: None)
    monkeypatch.setitem(peers.PEERS, "knife", peers.Peer((), "print('knife', 1)"))
    monkeypatch.setattr(peers.Path, "touch", lambda path: path.parent.mkdir(parents=True))
    assert peers.python_of("knife").is_relative_to(tmp_path) and sys.executable


def test_the_picture_has_a_dot_for_each_network_and_a_dash_for_each_fold():
    scores = json.loads(accuracy.SCORES.read_text(encoding="utf-8"))
    taken = [Row(one.title, accuracy.UNIT, 2.0 + number, key=one.scores) for number, one in enumerate(accuracy.NETWORKS)]
    drawn = ElementTree.fromstring(accuracy.draw(record(part="accuracy", rows=tuple(taken)), scores))
    names = [one.get("class") for one in drawn.iter()]
    assert names.count("dot") == 4 and names.count("fold") == 12
    assert "prefers-color-scheme:dark" in accuracy.STYLE
    assert "Not measured" in accuracy.draw(record(rows=()), scores)
    assert accuracy.mean_of("tutorial", scores) == pytest.approx((0.387 + 0.449 + 0.479) / 3)


def test_the_same_region_is_made_of_a_seed_and_a_smaller_one_is_its_corner(tmp_path):
    found = [np.full((600, 700, 3), shade, np.uint8) for shade in (40, 200)]
    block = region.block_of(found, 3, 0)
    np.testing.assert_array_equal(block, region.block_of(found, 3, 0))
    assert (block != region.block_of(found, 4, 0)).any() and (block != region.block_of(found, 3, 1)).any()
    # 40 and 200 lie far enough apart for their lighter and darker pieces, 20 to 60 and 148 to 252, to be told from each other.
    assert {pixel > 100 for pixel in block[:: region.PIECE_PX, :: region.PIECE_PX, 0].ravel()} == {True, False}
    (tmp_path / "blocks").mkdir()
    for number in range(2):
        shades = np.full((3, region.BLOCK_PX, region.BLOCK_PX), number + 1, np.uint8)
        profile = dict(driver="GTiff", height=region.BLOCK_PX, width=region.BLOCK_PX, count=3, dtype="uint8", compress="deflate")
        with warnings.catch_warnings(), rasterio.open(tmp_path / "blocks" / region.block_name(number), "w", **profile) as file:
            warnings.simplefilter("ignore")
            file.write(shades)
    region.write_scene(tmp_path / "small.vrt", 2100, 2100, 3, blocks=2)
    region.write_scene(tmp_path / "wide.vrt", 2100, 20_480, 3, blocks=2)
    small, wide = open_scene(tmp_path / "small.vrt"), open_scene(tmp_path / "wide.vrt")
    assert (small.shape, wide.shape, small.geo) == ((2100, 2100), (2100, 20_480), wide.geo)
    assert small.geo.epsg == 32640 and small.geo.transform[:6] == (0.3, 0, 470_000, 0, -0.3, 2_800_000)
    seen = wide.read(Window(2047, 0, 2, 20_480))
    np.testing.assert_array_equal(seen[:, :2100], small.read(Window(2047, 0, 2, 2100)))
    chosen = seen[:, 1024::2048, 0]
    np.testing.assert_array_equal(chosen, np.random.default_rng(3).integers(2, size=(49, 49))[:2, :10] + 1)


def test_kills_are_drawn_evenly_and_a_straight_line_leads_to_the_whole_region():
    # From 200 to 400 it grows by 10, so by 30 from 400 to 1000.
    assert region.projected([100, 400, 200], [5.0, 20.0, 10.0], 1000) == 20 + 600 * 10 / 200
    assert region.projected([100], [5.0], 1000) == 50
    drawn = region.moments({"predict": 300.0, "vectorize": 100.0}, 400, 1)
    assert (len(drawn["predict"]), len(drawn["vectorize"])) == (267, 133)
    # Each start of a prediction lives from one moment to the next, so that all of them together are shorter than a whole run.
    assert 270 < sum(drawn["predict"]) < 300 and min(drawn["predict"]) >= 0 and 0 <= min(drawn["vectorize"]) < max(drawn["vectorize"]) < 95
    assert drawn == region.moments({"predict": 300.0, "vectorize": 100.0}, 400, 1)
    assert region.size_of("8192") == (8192, 8192) and region.size_of("2048x100000") == (2048, 100_000)


@pytest.mark.skipif(os.name == "nt", reason="groups of processes are of POSIX")
def test_a_kill_meets_the_command_and_what_a_command_takes_is_told(tmp_path):
    cost, answer = region.run(["models"], tmp_path)
    assert not cost.killed and cost.seconds > 0 and cost.cpu > 0 and cost.peak > 10 * MIB and answer
    cost, answer = region.run(["models"], tmp_path, 0.0)
    assert (cost.killed, answer, list(tmp_path.iterdir())) == (True, {}, [])
    with pytest.raises(SystemExit, match="nothing at"):
        region.run(["vectorize", str(tmp_path / "none.tif"), str(tmp_path / "none.gpkg")], tmp_path)
