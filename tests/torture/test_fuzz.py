"""Damaged files are read, or refused in one line: a short run of the fuzzer, and every file that ever failed."""

import signal

import pytest

from tests.torture import fuzz

EACH = 5
KEPT = sorted(path for path in fuzz.CORPUS.glob("*__*") if not fuzz.KINDS[path.name.split("__")[0]].heavy)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    return fuzz.Seeds(tmp_path_factory.mktemp("seeds"))


@pytest.fixture(autouse=True)
def limit():
    """A file that hangs its reader ends the test."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("a reader hangs"))
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", fuzz.LIGHT)
def test_damaged_files_are_read_or_refused_in_one_line(kind, seeds, tmp_path):
    seeds.put(kind, tmp_path / "whole")
    assert fuzz.outcome(kind, tmp_path / "whole") == ("fine", "")
    for number in range(EACH):
        seeds.mutate(kind, number, tmp_path / str(number), seed=7)
        found, told = fuzz.outcome(kind, tmp_path / str(number))
        assert found in ("fine", "refused"), f"{kind}:{number} --seed 7: {told}"


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_what_once_failed_is_read_or_refused_in_one_line(path, seeds, tmp_path):
    kind = fuzz.replayed(path, seeds, tmp_path / "kept")
    found, told = fuzz.outcome(kind, tmp_path / "kept")
    assert found in ("fine", "refused"), told


def test_the_corpus_is_small():
    assert sum(path.stat().st_size for path in fuzz.CORPUS.glob("*")) < 300_000
