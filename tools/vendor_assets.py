"""Take the browser libraries that the dashboard serves itself from the npm registry.

The dashboard has to work in a room without a network, so nothing in a page may come from a CDN.
Run `python tools/vendor_assets.py` after a version below was changed; it needs `npm` and a network,
replaces the folders under static/vendor and writes the list of versions and licences beside them.
"""

import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[1] / "static" / "vendor"


@dataclass(frozen=True)
class Package:
    """One npm package: the folder it goes to, and which of its files (path in the package -> path in the folder)."""

    name: str
    version: str
    folder: str
    files: dict[str, str]
    used_for: str


PACKAGES = (
    Package(
        "leaflet",
        "1.9.4",
        "leaflet",
        {
            "dist/leaflet.js": "leaflet.js",
            "dist/leaflet.css": "leaflet.css",
            "dist/images/layers.png": "images/layers.png",
            "dist/images/layers-2x.png": "images/layers-2x.png",
            "LICENSE": "LICENSE",
        },
        "maps and the image viewer",
    ),
    Package(
        "leaflet.fullscreen",
        "3.0.0",
        "fullscreen",
        {
            "Control.FullScreen.js": "Control.FullScreen.js",
            "Control.FullScreen.css": "Control.FullScreen.css",
            "icon-fullscreen.svg": "icon-fullscreen.svg",
            "LICENSE": "LICENSE",
        },
        "the full-screen button of maps and viewer",
    ),
    Package(
        "@geoman-io/leaflet-geoman-free",
        "2.20.2",
        "geoman",
        {
            "dist/leaflet-geoman.min.js": "leaflet-geoman.min.js",
            "dist/leaflet-geoman.css": "leaflet-geoman.css",
            "LICENSE": "LICENSE",
        },
        "outlines drawn, cut and moved on the map",
    ),
)


def fetch(package: Package, into: Path) -> dict:
    """Download one package with `npm pack`, copy its chosen files to `into`, and return its package.json."""
    with tempfile.TemporaryDirectory() as scratch:
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit("npm was not found. Install Node.js, which brings npm, and run this again.")
        packed = subprocess.run(
            [npm, "pack", "--silent", f"{package.name}@{package.version}"],
            cwd=scratch,
            check=True,
            capture_output=True,
            text=True,
        )
        with tarfile.open(Path(scratch) / packed.stdout.strip().splitlines()[-1]) as archive:
            about = json.load(archive.extractfile("package/package.json"))
            for source, target in package.files.items():
                destination = into / target
                destination.parent.mkdir(parents=True, exist_ok=True)
                destination.write_bytes(archive.extractfile(f"package/{source}").read())
    return about


def readme(rows: list[tuple[Package, dict]]) -> str:
    """The table of what is vendored, as Markdown."""
    lines = [
        "# Browser libraries served by the dashboard",
        "",
        "Unchanged copies from the npm registry, so that every page works without a network.",
        "Written by `python tools/vendor_assets.py`; change versions there, not here.",
        "",
        "| package | version | licence | home | used for | size |",
        "|---|---|---|---|---|---|",
    ]
    for package, about in rows:
        folder = VENDOR / package.folder
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        home = about.get("homepage") or f"https://www.npmjs.com/package/{package.name}"
        lines.append(
            f"| {package.name} | {about['version']} | {about['license']}, see `{package.folder}/LICENSE` "
            f"| {home} | {package.used_for} | {size / 1024:.0f} kB |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Fetch every package and write the list."""
    rows = []
    for package in PACKAGES:
        with tempfile.TemporaryDirectory(dir=VENDOR.parent) as fresh:
            staged = Path(fresh) / package.folder
            about = fetch(package, staged)
            target = VENDOR / package.folder
            if target.exists():
                shutil.rmtree(target)
            staged.rename(target)
        rows.append((package, about))
        print(f"{package.name} {about['version']}", file=sys.stderr)
    (VENDOR / "README.md").write_text(readme(rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
