"""Groundline's two commands, for any Python from 3.6 on with nothing else installed.

    python start.py           make an environment, install, open the dashboard on the sample
    python start.py test      make an environment, install, run the tests (-m "not slow" for the quick ones)

The environment is the folder .venv beside this file (another one with GROUNDLINE_ENV). It is made once and changed only
when a requirements file changes, so the second start is quick. Where this Python is none that everything installs on, uv
finds or fetches one that is. What follows `test` goes to pytest, what follows `app` to `streamlit run`; `python start.py core ...`
runs the command line, `python start.py check` lint, format and types; `python start.py licences OUT` lists what it is built of,
`python start.py audit` asks whether a version has a known hole, and `python start.py torture` tries for an hour or two to lose something.

    python start.py app --share             let other machines in, who must type the password that is shown (or GROUNDLINE_PASSWORD)
    python start.py app --read-only         only show: nothing is started, sent, corrected or deleted
    python start.py app --roots /data:/mnt  folders whose files may be opened by their path, instead of the home folder
"""

from __future__ import print_function

import hashlib
import os
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
WANTED = ((3, 11), (3, 12), (3, 13))
NO_DEPS = "requirements-no-deps.txt"


def main():
    """Do what was typed and return the exit code."""
    if sys.version_info < (3, 6):
        give_up("this one is too old to look for another")
    words = sys.argv[1:]
    verb = words.pop(0) if words and words[0] in ("app", "test", "check", "core", "install", "licences", "audit", "torture") else "app"
    if words and words[0] in ("-h", "--help", "help") and verb == "app":
        print(__doc__)
        return 0
    python = environment("requirements-dev.txt" if verb in ("test", "check", "torture") else "requirements.txt")
    if verb == "install":
        return 0
    if verb == "test":
        return subprocess.call([python, "-m", "pytest"] + spread(words) + words, cwd=HERE)
    if verb == "check":
        return check(python)
    if verb == "torture":
        return subprocess.call([python, "-m", "tests.torture"] + words, cwd=HERE)
    if verb in ("licences", "audit"):
        return subprocess.call([python, os.path.join(HERE, "tools", "supply.py"), verb] + words)
    if verb == "core":
        return to_its_end([python, "-m", "core"] + words)
    return dashboard(python, words)


def to_its_end(command):
    """Run a command that ends in its own time when Ctrl-C is pressed, and return its exit code.

    The terminal tells both of Ctrl-C. `subprocess.call` would kill the command a quarter of a second later, in the middle of its end.
    """
    process = subprocess.Popen(command, cwd=HERE)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            pass


def environment(requirements):
    """Path of a Python in which `requirements` are installed; installs only what a changed file asks for."""
    folder = os.environ.get("GROUNDLINE_ENV") or os.path.join(HERE, ".venv")
    keep_compiled(folder)
    python = python_of(folder)
    if not os.path.exists(python):
        make(folder)
    version = version_of(python)
    if version not in WANTED:
        # Never deleted here: the folder may be an environment of the user's own.
        sys.exit(
            "The environment {} has {}. Groundline needs Python {}. Delete that folder, or name another in GROUNDLINE_ENV, "
            "and start again.".format(folder, "Python {}.{}".format(*version) if version else "no Python that runs", wanted_words())
        )
    wanted = stamp_of(requirements, version)
    done = os.path.join(folder, "installed-" + requirements)
    if os.path.exists(done) and open(done).read() == wanted:
        return python
    print("Installing {} (a few minutes the first time, about 3 GB on disk)".format(requirements), flush=True)
    install(python, requirements)
    with open(done, "w") as file:
        file.write(wanted)
    return python


def keep_compiled(folder):
    """Where Python was told to keep no compiled files, as in many containers, what is started here keeps them in the environment.

    Otherwise each start of a job would compile TensorFlow's files again: 15 s of processor time, where the rest of its start takes 9.
    """
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ.setdefault("PYTHONPYCACHEPREFIX", os.path.join(os.path.abspath(folder), "compiled"))


def python_of(folder):
    """Where an environment in `folder` keeps its Python."""
    return os.path.join(folder, "Scripts", "python.exe") if os.name == "nt" else os.path.join(folder, "bin", "python")


def version_of(python):
    """(3, 12) for a Python 3.12; None for one that does not run, such as after an update of the system."""
    try:
        out = subprocess.check_output([python, "-c", "import sys; print('%d %d' % sys.version_info[:2])"], stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return None
    major, minor = out.split()
    return int(major), int(minor)


def wanted_words():
    """The Pythons that fit, for a sentence."""
    names = ["{}.{}".format(*version) for version in WANTED]
    return ", ".join(names[:-1]) + " or " + names[-1]


def make(folder):
    """Make an environment of this Python where it fits, else of one that uv finds on the machine or fetches."""
    print("Making the environment in", os.path.relpath(folder, HERE) if folder.startswith(HERE) else folder, flush=True)
    fits = sys.version_info[:2] in WANTED
    # Debian's Python may lack the module that puts pip into an environment; uv does without it.
    if fits and subprocess.call([sys.executable, "-m", "venv", folder]) == 0:
        return
    uv = find_uv(folder)
    span = ">={}.{},<{}.{}".format(WANTED[0][0], WANTED[0][1], WANTED[-1][0], WANTED[-1][1] + 1)
    if not uv or subprocess.call(uv + ["venv", "--quiet", "--seed", "--python", span, folder]) != 0:
        give_up("no environment could be made of it" if fits else "no other one was found on this machine or could be fetched")


def give_up(trouble):
    """End with one line that says what was found, what is needed, and what to install."""
    sys.exit(
        "This is Python {}. Groundline needs Python {}, and {}. Install Python 3.12 (https://www.python.org/downloads) "
        "or uv (https://docs.astral.sh/uv), and start again: {}".format(
            ".".join(str(part) for part in sys.version_info[:3]),
            wanted_words(),
            trouble,
            "py -3.12 start.py" if os.name == "nt" else "python3.12 start.py",
        )
    )


def find_uv(folder):
    """The beginning of a command that runs uv: from PATH, from this Python, or from a small environment beside `folder`; else None."""
    own = folder.rstrip("/" + os.sep) + "-uv"
    commands = (["uv"], [sys.executable, "-m", "uv"], [python_of(own), "-m", "uv"])
    for command in commands:
        if runs(command + ["--version"]):
            return command
    pip = [python_of(own), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv"]
    return commands[-1] if runs([sys.executable, "-m", "venv", own]) and runs(pip) else None


def runs(command):
    """True for a command that is there and succeeds; what it says is dropped."""
    try:
        return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def included(requirements):
    """The names of this requirements file, those that it includes, the one installed after all others, and their locked versions."""
    names = [requirements]
    for name in names:  # grows while it is walked
        with open(os.path.join(HERE, name)) as file:
            names += [line.split()[1] for line in file if line.startswith("-r ")]
    names.append(NO_DEPS)
    return names + [lock_of(name) for name in names if os.path.exists(os.path.join(HERE, lock_of(name)))]


def lock_of(requirements):
    """The file that holds the versions which a requirements file was tested with, and the digests of their files."""
    return requirements[: -len(".txt")] + ".lock"


def stamp_of(requirements, version):
    """A text that changes when the environment's Python, this requirements file, or one that goes with it changes."""
    digest = hashlib.sha256(repr(version).encode())
    for name in included(requirements):
        with open(os.path.join(HERE, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def install(python, requirements):
    """Install by uv, which is several times faster, or by pip where uv cannot be had or fails."""
    uv = find_uv(os.path.dirname(os.path.dirname(python)))
    if uv:
        if install_by(uv + ["pip", "install", "--python", python, "--quiet"], requirements):
            return
        print("uv did not succeed; trying pip", flush=True)
    if not install_by([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"], requirements):
        sys.exit("The packages of {} could not be installed. Check the network and the disk, then start again.".format(requirements))


def install_by(command, requirements):
    """True where a command installed the versions that are locked, or, where these cannot be had as they were, what fits the ranges."""
    for name, how in ((requirements, []), (NO_DEPS, ["--no-deps"])):
        lock = os.path.join(HERE, lock_of(name))
        if os.path.exists(lock):
            if subprocess.call(command + how + ["--require-hashes", "-r", lock]) == 0:
                continue
            print("{} does not fit what can be had here; taking versions that fit {}".format(lock_of(name), name), flush=True)
        if subprocess.call(command + how + ["-r", os.path.join(HERE, name)]) != 0:
            return False
    return True


def spread(words):
    """Words for pytest that share the files of tests among a few processes; none where one will do or is asked for.

    One more than there are processors, since tests wait for browsers and jobs, but four at most, since each holds a TensorFlow.
    The tests of a file stay together and the files in the order of `tests/conftest.py`: what they start, they share.
    """
    alone = ("-n", "--numprocesses", "--dist", "--pdb", "--trace", "-s", "tests")
    workers = min(4, (os.cpu_count() or 1) + 1)
    if any(word.startswith(alone) for word in words):
        return []
    return ["-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder"]


def check(python):
    """Lint, format and types; all three are run, and one that fails makes the answer 1."""
    commands = (["-m", "ruff", "check"], ["-m", "ruff", "format", "--check"], [os.path.join("tools", "check_types.py")])
    return int(any([subprocess.call([python] + command, cwd=HERE) != 0 for command in commands]))


def dashboard(python, words):
    """Run the dashboard until it is interrupted, and open the browser once it answers."""
    words, settings = doors(words)
    port = asked_port(words) or os.environ.get("GROUNDLINE_PORT") or free_port(8501)
    address = "http://localhost:{}/?start=sample".format(port)
    if os.environ.get("GROUNDLINE_NO_BROWSER") != "1":
        threading.Thread(target=open_browser, args=(port, address), daemon=True).start()
    print("Groundline is at", address, "(Ctrl-C ends it)", flush=True)
    command = [python, "-m", "streamlit", "run", os.path.join(HERE, "app.py"), "--server.port", str(port)] + words
    try:
        return subprocess.call(command, cwd=HERE, env=dict(os.environ, **settings))
    except KeyboardInterrupt:
        return 0


def doors(words):
    """Words for `streamlit run`, and the environment, that --share, --read-only and --roots stand for."""
    words, settings = list(words), {}
    if "--share" in words:
        words.remove("--share")
        words += ["--server.address", "0.0.0.0"]
    if "--read-only" in words:
        words.remove("--read-only")
        settings["GROUNDLINE_READ_ONLY"] = "1"
    for word in [word for word in words if word == "--roots" or word.startswith("--roots=")]:
        place = words.index(word)
        given = word.partition("=")[2] or (words[place + 1] if len(words) > place + 1 else "")
        folders = [os.path.abspath(os.path.expanduser(folder)) for folder in given.split(os.pathsep) if folder]
        missing = [folder for folder in folders if not os.path.isdir(folder)]
        if missing or not folders:
            found = "{} is no folder".format(missing[0]) if missing else "--roots names no folder"
            sys.exit("{}. Expected folders with {} between them. Name folders that exist.".format(found, os.pathsep))
        del words[place : place + (1 if "=" in word else 2)]
        settings["GROUNDLINE_ROOTS"] = os.pathsep.join(folders)
    return words, settings


def asked_port(words):
    """The port that Streamlit's own words name, "" for none: they come after ours and win."""
    for place, word in reversed(list(enumerate(words))):
        if word == "--server.port" or word.startswith("--server.port="):
            return word.partition("=")[2] or "".join(words[place + 1 : place + 2])
    return ""


def free_port(first):
    """The first port from `first` on that nobody listens to on this machine."""
    import socket

    for port in range(first, first + 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    return first


def open_browser(port, address):
    """Wait until the server is healthy, at most a minute, then show the page."""
    import urllib.error
    import urllib.request
    import webbrowser

    for _ in range(120):
        try:
            urllib.request.urlopen("http://127.0.0.1:{}/_stcore/health".format(port), timeout=1).close()
        except urllib.error.HTTPError:
            pass  # it asks for the password, so it answers
        except OSError:
            time.sleep(0.5)
            continue
        webbrowser.open(address)
        return


if __name__ == "__main__":
    sys.exit(main())
