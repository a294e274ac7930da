"""The two commands' own logic: the wrong Python is named, and nothing is installed twice."""

import socket
import subprocess
import sys

import pytest

import start


def test_the_wrong_python_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 13, 1, "final", 0))
    with pytest.raises(SystemExit, match="This is Python 3.13.1. Groundline needs Python 3.11 or 3.12"):
        start.check_python()


def test_this_python_is_accepted():
    assert start.check_python() is None


def test_nothing_is_installed_while_the_requirements_stay(tmp_path, monkeypatch):
    installed = []
    folder = tmp_path / "env"
    (folder / "bin").mkdir(parents=True)
    (folder / "Scripts").mkdir()
    (folder / "bin" / "python").touch()
    (folder / "Scripts" / "python.exe").touch()
    (tmp_path / "requirements.txt").write_text("one\n")
    (tmp_path / "requirements-dev.txt").write_text("-r requirements.txt\ntwo\n")
    monkeypatch.setattr(start, "HERE", str(tmp_path))
    monkeypatch.setattr(start, "install", lambda python, requirements: installed.append(requirements))
    monkeypatch.setenv("GROUNDLINE_ENV", str(folder))
    start.environment("requirements.txt")
    start.environment("requirements.txt")
    assert len(installed) == 1
    start.environment("requirements-dev.txt")
    (tmp_path / "requirements.txt").write_text("one\nthree\n")  # the development file includes it
    start.environment("requirements-dev.txt")
    assert len(installed) == 3


def test_a_taken_port_is_passed_over():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert start.free_port(port) > port


def test_help_names_both_commands():
    out = subprocess.run([sys.executable, start.__file__, "--help"], capture_output=True, text=True, check=True).stdout
    assert "python start.py " in out and "python start.py test" in out
