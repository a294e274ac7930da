"""Programs that we are compared with and do not need: each in an environment of its own, which is made at its first use.

The environments lie in the user's cache folder (another one with GROUNDLINE_BENCH_PEERS) and are made by uv, or by venv and pip
where there is none. `python bench/peers.py` makes them all and says which could not be made, and why.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 600


class PeerMissing(Exception):
    """A peer that cannot be installed here; its text says why."""


@dataclass(frozen=True)
class Peer:
    """What to install, and a line of Python that runs when it is all there and prints its version."""

    packages: tuple[str, ...]
    proof: str
    pythons: tuple[str, ...] = ()
    """Pythons that will do, by name or path; this one where none is named."""
    on_the_system: bool = False
    """Builds on the packages of that Python, which has GDAL's bindings."""


_TRACING = ("rasterio", "psutil", "affine", "pyproj")
PEERS = {
    "xarray-spatial": Peer(
        ("xarray-spatial", "geopandas", *_TRACING),
        "from xrspatial.experimental import polygonize; import xrspatial; print('xarray-spatial', xrspatial.__version__)",
    ),
    # The only wheels of GDAL's own bindings; they begin with Python 3.12.
    "gdal": Peer(
        ("gdal-wheel", "geopandas", *_TRACING),
        "from osgeo import gdal, gdal_array; print('GDAL', gdal.__version__)",
        ("python3.12", "python3.13"),
    ),
    # Needs GDAL's bindings and SQLite with SpatiaLite, as Debian's packages python3-gdal and libsqlite3-mod-spatialite have them.
    "geofileops": Peer(
        ("geofileops<0.9", "numpy<2", *_TRACING),
        "from osgeo import gdal; import geofileops; print('geofileops', geofileops.__version__, 'with GDAL', gdal.__version__)",
        ("/usr/bin/python3",),
        on_the_system=True,
    ),
}


def folder() -> Path:
    """Where the environments lie."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("GROUNDLINE_BENCH_PEERS") or Path(cache) / "groundline" / "bench-peers")


def python_of(name: str) -> Path:
    """The Python of a peer's environment, made now where it is not there. Raises PeerMissing with the reason."""
    peer = PEERS[name]
    mark = hashlib.sha256(repr((peer, sys.version_info[:2])).encode()).hexdigest()[:8]
    place = folder() / f"{name}-{mark}"
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (place / "ready").exists():
        make(peer, place, python)
    return python


def make(peer: Peer, place: Path, python: Path) -> None:
    """Make an environment and prove it. Raises PeerMissing; what is half made is taken away."""
    reasons = []
    for base in peer.pythons or (sys.executable,):
        shutil.rmtree(place, ignore_errors=True)
        try:
            base = running(base)
            place.parent.mkdir(parents=True, exist_ok=True)
            own = [sys.executable, "-m", "uv"] if proves([sys.executable, "-m", "uv", "--version"]) else None
            shared = ["--system-site-packages"] if peer.on_the_system else []
            did([*own, "venv", "--quiet", *shared, "--python", base, str(place)] if own else [base, "-m", "venv", *shared, str(place)])
            install = (
                [*own, "pip", "install", "--quiet", "--python", str(python)] if own else [str(python), "-m", "pip", "install", "--quiet"]
            )
            did([*install, *without_gdal(peer, place, uv=bool(own)), *peer.packages])
            did([str(python), "-c", peer.proof])
            (place / "ready").touch()
            return
        except PeerMissing as error:
            reasons.append(str(error))
    shutil.rmtree(place, ignore_errors=True)
    raise PeerMissing("; ".join(dict.fromkeys(reasons)))


def running(name: str) -> str:
    """A Python of that name that runs: on the path, or one of pyenv's, whose own word for it may not lead to it. Raises PeerMissing."""
    of_pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv").glob(f"versions/*/bin/{Path(name).name}")
    for python in (shutil.which(name), *map(str, sorted(of_pyenv))):
        if python and proves([python, "--version"]):
            return python
    raise PeerMissing(f"no {Path(name).name} here")


def without_gdal(peer: Peer, place: Path, *, uv: bool) -> list[str]:
    """Words that keep the installer from building GDAL's bindings, which the system has already."""
    if not (peer.on_the_system and uv):
        return []
    told = place / "overrides.txt"
    told.write_text('gdal; python_version < "3"\n', encoding="utf-8")
    return ["--override", str(told)]


def did(command: list[str]) -> None:
    """Run a command. Raises PeerMissing with the last line of what it says."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerMissing(str(error)) from error
    if done.returncode:
        told = [line.strip() for line in done.stderr.splitlines() if line.strip() and not line.startswith("hint")]
        raise PeerMissing(told[-1][:160] if told else f"{command[0]} ended with {done.returncode}")


def proves(command: list[str]) -> bool:
    """Whether a command runs without an error."""
    try:
        did(command)
    except PeerMissing:
        return False
    return True


def version_of(name: str) -> str:
    """Name and version of a peer as its environment tells, or why it is missing."""
    try:
        python = python_of(name)
    except PeerMissing as error:
        return f"not installed: {error}"
    return subprocess.run([str(python), "-c", PEERS[name].proof], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    for peer_name in PEERS:
        print(f"{peer_name}: {version_of(peer_name)}", flush=True)
