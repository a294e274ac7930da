"""Groundline's two commands, for Python 3.11 or 3.12 with nothing else installed.

    python start.py           make an environment, install, open the dashboard on the sample
    python start.py test      make an environment, install, run the tests

The environment is the folder .venv beside this file (another one with GROUNDLINE_ENV). It is made once and changed only
when a requirements file changes, so the second start is quick. What follows `test` goes to pytest, what follows `app`
to `streamlit run`; `python start.py core ...` runs the command line.
"""

import hashlib
import os
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
WANTED = ((3, 11), (3, 12))


def main():
    check_python()
    words = sys.argv[1:]
    verb = words.pop(0) if words and words[0] in ("app", "test", "core", "install") else "app"
    if words and words[0] in ("-h", "--help", "help") and verb == "app":
        print(__doc__)
        return 0
    python = environment("requirements-dev.txt" if verb == "test" else "requirements.txt")
    if verb == "install":
        return 0
    if verb == "test":
        return subprocess.call([python, "-m", "pytest", *words], cwd=HERE)
    if verb == "core":
        return subprocess.call([python, "-m", "core", *words], cwd=HERE)
    return dashboard(python, words)


def check_python():
    """End with one clear line when this is not a Python that everything installs on."""
    if sys.version_info[:2] not in WANTED:
        found = ".".join(str(part) for part in sys.version_info[:3])
        wanted = " or ".join("{}.{}".format(*version) for version in WANTED)
        hint = "py -3.12 start.py" if os.name == "nt" else "python3.12 start.py"
        sys.exit(
            "This is Python {}. Groundline needs Python {} (TensorFlow and patchify have no others in common). Try: {}".format(
                found, wanted, hint
            )
        )


def environment(requirements):
    """Path of a Python in which `requirements` are installed; installs only what a changed file asks for."""
    folder = os.environ.get("GROUNDLINE_ENV") or os.path.join(HERE, ".venv")
    python = os.path.join(folder, "Scripts", "python.exe") if os.name == "nt" else os.path.join(folder, "bin", "python")
    if not os.path.exists(python):
        print("Making the environment in", os.path.relpath(folder, HERE) if folder.startswith(HERE) else folder, flush=True)
        subprocess.check_call([sys.executable, "-m", "venv", folder])
    wanted = stamp_of(requirements)
    done = os.path.join(folder, "installed-" + requirements)
    if os.path.exists(done) and open(done).read() == wanted:
        return python
    print("Installing {} (a few minutes the first time, about 3 GB on disk)".format(requirements), flush=True)
    install(python, os.path.join(HERE, requirements))
    with open(done, "w") as file:
        file.write(wanted)
    return python


def stamp_of(requirements):
    """A text that changes when the Python, this requirements file, or one that it includes changes."""
    digest = hashlib.sha256(repr(sys.version_info[:3]).encode())
    for name in sorted({requirements, "requirements.txt"}):
        with open(os.path.join(HERE, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def install(python, requirements):
    """Install by uv, which is several times faster, or by pip where uv cannot be had or fails."""
    quiet = ["--quiet", "--disable-pip-version-check"]
    if subprocess.call([python, "-m", "pip", "install", *quiet, "uv"], stderr=subprocess.DEVNULL) == 0:
        if subprocess.call([python, "-m", "uv", "pip", "install", "--python", python, "--quiet", "-r", requirements]) == 0:
            return
        print("uv did not succeed; trying pip", flush=True)
    try:
        subprocess.check_call([python, "-m", "pip", "install", *quiet, "-r", requirements])
    except subprocess.CalledProcessError:
        sys.exit(
            "The packages of {} could not be installed. Check the network and the disk, then start again.".format(
                os.path.basename(requirements)
            )
        )


def dashboard(python, words):
    """Run the dashboard until it is interrupted, and open the browser once it answers."""
    port = os.environ.get("GROUNDLINE_PORT") or free_port(8501)
    address = "http://localhost:{}/?start=sample".format(port)
    if os.environ.get("GROUNDLINE_NO_BROWSER") != "1":
        threading.Thread(target=open_browser, args=(port, address), daemon=True).start()
    print("Groundline is at", address, "(Ctrl-C ends it)", flush=True)
    command = [python, "-m", "streamlit", "run", os.path.join(HERE, "app.py"), "--server.port", str(port), *words]
    try:
        return subprocess.call(command, cwd=HERE)
    except KeyboardInterrupt:
        return 0


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
    import urllib.request
    import webbrowser

    for _ in range(120):
        try:
            urllib.request.urlopen("http://127.0.0.1:{}/_stcore/health".format(port), timeout=1).close()
        except OSError:
            time.sleep(0.5)
            continue
        webbrowser.open(address)
        return


if __name__ == "__main__":
    sys.exit(main())
