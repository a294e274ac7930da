"""The two commands' own logic: a fitting Python is found or named, and nothing is installed twice."""

import ast
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import start


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of three requirements files, its environment a Python that is there and runs."""
    folder = tmp_path / "env"
    for place in ("bin/python", "Scripts/python.exe"):
        (folder / place).parent.mkdir(parents=True)
        (folder / place).touch()
    (tmp_path / "requirements.txt").write_text("one\n")
    (tmp_path / "requirements-dev.txt").write_text("-r requirements.txt\ntwo\n")
    (tmp_path / start.NO_DEPS).write_text("three\n")
    monkeypatch.setattr(start, "HERE", str(tmp_path))
    monkeypatch.setattr(start, "version_of", lambda python: (3, 12))
    monkeypatch.setenv("GROUNDLINE_ENV", str(folder))
    return tmp_path


@pytest.fixture
def commands(monkeypatch):
    """What `start` calls, written down instead of done; each succeeds unless its words hold one of `commands.fail`."""

    class Commands(list):
        fail = ()

        def call(self, command, **_options):
            self.append(command)
            return int(any(word in command for word in self.fail))

    called = Commands()
    monkeypatch.setattr(subprocess, "call", called.call)
    return called


@pytest.mark.parametrize(
    ("words", "port"),
    [([], ""), (["--server.port", "8871"], "8871"), (["--server.port=8872", "--x"], "8872"), (["--server.port"], ""), (["8873"], "")],
)
def test_the_port_that_is_told_is_the_one_that_was_asked_for(words, port):
    assert start.asked_port(words) == port


def test_this_python_makes_its_own_environment(tmp_path, commands):
    start.make(str(tmp_path / "env"))
    assert commands == [[sys.executable, "-m", "venv", str(tmp_path / "env")]]


@pytest.mark.parametrize("version", [(3, 10, 2), (3, 14, 0)])
def test_another_python_lets_uv_find_or_fetch_one(tmp_path, monkeypatch, commands, version):
    monkeypatch.setattr(sys, "version_info", (*version, "final", 0))
    start.make(str(tmp_path / "env"))
    assert commands[-1] == ["uv", "venv", "--quiet", "--seed", "--python", ">=3.11,<3.14", str(tmp_path / "env")]


def test_uv_is_taken_from_path_then_from_this_python_then_installed_beside_the_environment(tmp_path, commands):
    folder = str(tmp_path / "env")
    own = start.python_of(folder + "-uv")
    assert start.find_uv(folder) == ["uv"]
    commands.fail = ("uv",)
    assert start.find_uv(folder) is None  # nothing that can be asked knows uv, nor can pip install it
    commands.fail = ("--version",)
    assert start.find_uv(folder) == [own, "-m", "uv"]
    assert [sys.executable, "-m", "uv", "--version"] in commands
    assert commands[-1][:4] == [own, "-m", "pip", "install"]


def test_without_a_network_one_line_says_what_to_install(tmp_path, monkeypatch, commands):
    monkeypatch.setattr(sys, "version_info", (3, 14, 1, "final", 0))
    commands.fail = ("--python",)
    with pytest.raises(SystemExit) as told:
        start.make(str(tmp_path / "env"))
    line = str(told.value)
    assert line.startswith("This is Python 3.14.1. Groundline needs Python 3.11, 3.12 or 3.13, and no other one was found")
    assert "Install Python 3.12" in line and "\n" not in line


def test_a_python_too_old_to_look_for_another_says_so(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (2, 7, 18, "final", 0))
    with pytest.raises(SystemExit, match=r"This is Python 2.7.18. Groundline needs Python 3.11, 3.12 or 3.13, and this one is too old"):
        start.main()


def test_old_pythons_can_read_the_file():
    ast.parse(Path(start.__file__).read_text(), feature_version=(3, 7))
    for python in Path.home().glob(".pyenv/versions/*/bin/python"):
        ended = subprocess.run([python, "-B", start.__file__, "--help"], capture_output=True, text=True)
        words = ended.stdout if start.version_of(str(python)) >= (3, 6) else ended.stderr
        assert "python start.py test" in words or "too old" in words, python


def test_an_environment_of_another_python_is_named_and_left_alone(project, monkeypatch):
    monkeypatch.setattr(start, "version_of", lambda python: (3, 10))
    with pytest.raises(SystemExit, match=r"has Python 3.10. Groundline needs .* Delete that folder"):
        start.environment("requirements.txt")
    monkeypatch.setattr(start, "version_of", lambda python: None)
    with pytest.raises(SystemExit, match="has no Python that runs"):
        start.environment("requirements.txt")
    assert (project / "env" / "bin" / "python").exists()


def test_the_version_of_a_python_is_asked_of_itself(tmp_path):
    assert start.version_of(sys.executable) == sys.version_info[:2]
    assert start.version_of(str(tmp_path / "none")) is None


def test_nothing_is_installed_while_the_requirements_stay(project, monkeypatch):
    installed = []
    monkeypatch.setattr(start, "install", lambda python, requirements: installed.append(requirements))
    start.environment("requirements.txt")
    start.environment("requirements.txt")
    assert installed == ["requirements.txt"]
    start.environment("requirements-dev.txt")
    (project / "requirements.txt").write_text("one\nfour\n")  # the development file includes it
    start.environment("requirements-dev.txt")
    start.environment("requirements-dev.txt")
    assert len(installed) == 3
    (project / start.NO_DEPS).write_text("three of a later version\n")
    start.environment("requirements-dev.txt")
    assert len(installed) == 4
    monkeypatch.setattr(start, "version_of", lambda python: (3, 13))  # the system's Python was renewed below the environment
    start.environment("requirements-dev.txt")
    assert len(installed) == 5


def test_compiled_files_are_kept_in_the_environment_where_they_may_lie_nowhere_else(project, monkeypatch, commands):
    monkeypatch.setattr(start, "install", lambda python, requirements: None)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", "")  # what is set is put back afterwards
    monkeypatch.delenv("PYTHONPYCACHEPREFIX")
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    start.environment("requirements.txt")
    assert "PYTHONPYCACHEPREFIX" not in os.environ  # beside each file, as usual
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    start.environment("requirements.txt")
    ask = "import sys; print(sys.dont_write_bytecode, sys.pycache_prefix)"
    told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout
    assert told.strip() == f"False {project / 'env' / 'compiled'}"


def test_patchify_is_installed_last_and_without_what_it_asks_for(project, commands):
    start.install("python", "requirements.txt")
    last = ["--no-deps", "-r", str(project / start.NO_DEPS)]
    assert commands[-2:] == [
        ["uv", "pip", "install", "--python", "python", "--quiet", "-r", str(project / "requirements.txt")],
        ["uv", "pip", "install", "--python", "python", "--quiet", *last],
    ]
    commands.fail = ("uv",)
    start.install("python", "requirements.txt")
    assert commands[-1] == ["python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *last]


def test_locked_versions_come_first_and_the_ranges_where_their_files_are_others(project, commands, capsys):
    for name in ("requirements.lock", "requirements-no-deps.lock"):
        (project / name).write_text("one==1 --hash=sha256:00\n")
    first, last = str(project / "requirements.lock"), str(project / "requirements-no-deps.lock")
    pip = ["uv", "pip", "install", "--python", "python", "--quiet"]
    start.install("python", "requirements.txt")
    assert commands[-2:] == [[*pip, "--require-hashes", "-r", first], [*pip, "--no-deps", "--require-hashes", "-r", last]]
    assert capsys.readouterr().out == ""
    commands.fail = (first,)
    start.install("python", "requirements.txt")
    assert commands[-2:] == [[*pip, "-r", str(project / "requirements.txt")], [*pip, "--no-deps", "--require-hashes", "-r", last]]
    line = "requirements.lock does not fit what can be had here; taking versions that fit requirements.txt"
    assert capsys.readouterr().out.splitlines() == [line]


def test_another_lock_is_installed(project, monkeypatch):
    stamp = start.stamp_of("requirements.txt", (3, 12))
    (project / "requirements.lock").write_text("one==1\n")
    assert start.stamp_of("requirements.txt", (3, 12)) != stamp


def test_packages_that_cannot_be_had_are_told_in_one_line(project, commands):
    commands.fail = ("install",)
    with pytest.raises(SystemExit, match=r"The packages of requirements.txt could not be installed. Check the network"):
        start.install("python", "requirements.txt")


def test_what_follows_test_goes_to_pytest(project, monkeypatch, commands):
    monkeypatch.setattr(start, "install", lambda python, requirements: None)
    monkeypatch.setattr(sys, "argv", ["start.py", "test", "-m", "not slow"])
    assert start.main() == 0
    assert commands[-1][1:3] == ["-m", "pytest"] and commands[-1][-2:] == ["-m", "not slow"]


def test_tests_are_shared_among_processors_unless_a_file_or_a_debugger_is_asked_for(monkeypatch):
    monkeypatch.setattr(start.os, "cpu_count", lambda: 2)
    assert start.spread(["-m", "not slow"]) == start.spread([]) == ["-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"]
    for words in (["tests/test_geo.py"], ["-x", "--pdb"], ["-n0"], ["-n", "3"]):
        assert start.spread(words) == []
    monkeypatch.setattr(start.os, "cpu_count", lambda: 64)
    assert start.spread([])[1] == "4"  # each holds a TensorFlow
    monkeypatch.setattr(start.os, "cpu_count", lambda: 1)
    assert start.spread([])[1] == "2"


def test_check_runs_all_three_and_tells_of_any_that_fails(project, monkeypatch, commands):
    monkeypatch.setattr(start, "install", lambda python, requirements: None)
    monkeypatch.setattr(sys, "argv", ["start.py", "check"])
    assert start.main() == 0
    assert [command[1:3] for command in commands] == [["-m", "ruff"], ["-m", "ruff"], [str(Path("tools", "check_types.py"))]]
    commands.clear()
    commands.fail = ("--check",)
    assert start.main() == 1
    assert len(commands) == 3


def test_share_roots_and_read_only_are_told_to_the_server_and_the_rest_to_streamlit(tmp_path, monkeypatch):
    roots = start.os.pathsep.join([str(tmp_path), "~"])
    words, settings = start.doors(["--roots", roots, "--server.port", "80", "--share", "--read-only"])
    assert words == ["--server.port", "80", "--server.address", "0.0.0.0"]
    assert settings == {"GROUNDLINE_READ_ONLY": "1", "GROUNDLINE_ROOTS": start.os.pathsep.join([str(tmp_path), str(Path.home())])}
    assert start.doors([f"--roots={tmp_path}"]) == ([], {"GROUNDLINE_ROOTS": str(tmp_path)})
    assert start.doors([]) == ([], {})
    for wrong in (["--roots"], ["--roots", str(tmp_path / "none")], ["--roots="]):
        with pytest.raises(SystemExit, match=r"folder\. Expected folders with . between them"):
            start.doors(wrong)


def test_a_taken_port_is_passed_over():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert start.free_port(port) > port


def test_what_is_stopped_by_ctrl_c_ends_in_its_own_time(project, monkeypatch):
    """The command takes longer to end than `subprocess.call` would wait."""
    ending = (
        "import time\ntry: print('begun', flush=True); time.sleep(60)\nexcept KeyboardInterrupt: time.sleep(0.6); raise SystemExit(130)"
    )
    told = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "  # whatever this test was started by
    code = f"{told}import start, sys; start.HERE = {str(project)!r}; sys.exit(start.to_its_end([sys.executable, '-c', {told + ending!r}]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(start.__file__).parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout.readline() == b"begun\n"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal tells all of them
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"")


def test_help_names_both_commands():
    out = subprocess.run([sys.executable, start.__file__, "--help"], capture_output=True, text=True, check=True).stdout
    assert "python start.py " in out and "python start.py test" in out
