"""What Groundline is built of: locked versions, licences with a bill of materials, and known holes.

    python tools/supply.py lock          choose versions anew, and write them with their digests to the .lock files (needs uv and a network)
    python tools/supply.py licences OUT  write licences.md, the licences' texts, and sbom.json (CycloneDX 1.5) into a folder; no network
    python tools/supply.py audit         ask pip-audit whether a locked version has a known hole (needs uv and a network)

`python start.py licences OUT` and `python start.py audit` run it in the environment.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import quote

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools import vendor_assets  # noqa: E402

DEV, APP, NO_DEPS = "requirements-dev.txt", "requirements.txt", "requirements-no-deps.txt"
LOCKS = {DEV: "requirements-dev.lock", APP: "requirements.lock", NO_DEPS: "requirements-no-deps.lock"}
_HEAD = "# Made by `python tools/supply.py lock`: versions for Python 3.11 to 3.13 on any system, with the digests of their files.\n"
_NAMES_A_LICENCE = re.compile(r"(licen[cs]e|copying|notice|authors)", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """A package or vendored library: `purl` names it for programs, `texts` are the files that hold its licence."""

    name: str
    version: str
    licence: str
    home: str
    purl: str
    texts: tuple[Path, ...] = ()
    needs: tuple[str, ...] = ()


def main(words: list[str]) -> int:
    """Do what was typed and return the exit code."""
    if words[:1] == ["lock"] and len(words) == 1:
        lock()
    elif words[:1] == ["licences"] and len(words) <= 2:
        out = Path(words[1] if len(words) > 1 else "licences")
        print(f"{write_licences(out)} licences in {out / 'licences.md'}, the bill of materials in {out / 'sbom.json'}")
    elif words[:1] == ["audit"] and len(words) == 1:
        return audit()
    else:
        print(__doc__)
        return 2
    return 0


# ---- versions ----


def lock() -> None:
    """Write the lock files; the versions of the app are those that the tests ran with."""
    uv = _uv()
    if uv is None:
        sys.exit("No uv was found. Expected one on the path or in this environment. Install it: pip install uv.")
    # No address of an index is written: each machine asks its own.
    how = [
        "pip",
        "compile",
        "--universal",
        "--python-version",
        "3.11",
        "--generate-hashes",
        "--no-header",
        "--no-annotate",
        "--no-emit-index-url",
    ]
    for requirements, name in LOCKS.items():
        more = {APP: ["--constraints", LOCKS[DEV]], NO_DEPS: ["--no-deps"]}.get(requirements, [])
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / name
            subprocess.run([*uv, *how, "--quiet", *more, requirements, "--output-file", str(made)], cwd=ROOT, check=True)
            (ROOT / name).write_text(_HEAD + made.read_text(encoding="utf-8"), encoding="utf-8")


def locked(name: str) -> dict[str, list[str]]:
    """The versions of a lock file by package; some have another one on another Python or system."""
    found: dict[str, list[str]] = {}
    for package, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE):
        found.setdefault(plain_name(package), []).append(version)
    return found


def plain_name(package: str) -> str:
    """A package's name as indexes compare it: `Foo.Bar_baz` is `foo-bar-baz`."""
    return re.sub(r"[-_.]+", "-", package).lower()


def _uv() -> list[str] | None:
    if shutil.which("uv"):
        return ["uv"]
    own = [sys.executable, "-m", "uv"]
    return own if subprocess.run([*own, "--version"], capture_output=True).returncode == 0 else None


# ---- licences ----


def write_licences(out: Path) -> int:
    """Write the list, the texts and the bill of materials into a folder; how many parts there are."""
    parts = [*packages(), *vendored()]
    out.mkdir(parents=True, exist_ok=True)
    rows = [f"| {part.name} | {part.version} | {part.licence} | {part.home} |" for part in parts]
    head = ["# Licences of what Groundline is built of", "", "| part | version | licence | home |", "|---|---|---|---|"]
    (out / "licences.md").write_text("\n".join([*head, *rows]) + "\n", encoding="utf-8")
    for part in parts:
        for number, text in enumerate(part.texts):
            target = out / "texts" / f"{plain_name(part.name).replace('/', '-')}-{part.version}{f'-{number}' if number else ''}.txt"
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(text.read_bytes())
    (out / "sbom.json").write_text(json.dumps(bill(parts), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return len(parts)


def packages() -> list[Part]:
    """The packages of the app and all that they need, as they are installed here; those for other systems are not."""
    wanted = [Requirement(line) for name in (APP, NO_DEPS) for line in requirements_of(name)]
    found: dict[str, Part] = {}
    while wanted:
        asked = wanted.pop()
        name = plain_name(asked.name)
        if name in found:
            continue
        try:
            package = metadata.distribution(asked.name)
        except metadata.PackageNotFoundError:
            continue
        needs = [one for one in map(Requirement, package.requires or ()) if _counts(one, asked.extras)]
        wanted += [] if name == "patchify" else needs  # installed without what it asks for
        found[name] = _part(package, tuple(plain_name(one.name) for one in needs))
    return sorted(found.values(), key=lambda part: plain_name(part.name))


def requirements_of(name: str) -> list[str]:
    """The lines of a requirements file that name a package, without digests, in it and the files that it includes."""
    found = []
    for line in (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        text = line.partition("#")[0].partition("--hash")[0].strip()
        if text.startswith("-r "):
            found += requirements_of(text[3:].strip())
        elif text:
            found.append(text)
    return found


def _counts(need: Requirement, extras: Iterable[str]) -> bool:
    return need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras))


def _part(package: metadata.Distribution, needs: tuple[str, ...]) -> Part:
    told = package.metadata
    classifiers = [line.rpartition(" :: ")[2] for line in told.get_all("Classifier") or () if line.startswith("License ::")]
    # Some write the whole text into this field.
    short = (told.get("License") or "").strip().partition("\n")[0]
    found = [Path(str(file.locate())) for file in package.files or () if ".dist-info" in str(file) and _NAMES_A_LICENCE.search(file.name)]
    texts = [text for text in found if text.is_file()]
    licence = told.get("License-Expression") or ", ".join(classifiers) or (short if len(short) < 100 else "") or _first_line(texts)
    homes = dict(line.lower().partition(", ")[::2] for line in told.get_all("Project-URL") or ())
    home = next((homes[word] for word in ("homepage", "home", "repository", "source", "source code") if word in homes), "")
    return Part(
        name=told["Name"],
        version=package.version,
        licence=licence.replace("|", "/"),
        home=told.get("Home-page") or home or next(iter(homes.values()), ""),
        purl=f"pkg:pypi/{plain_name(told['Name'])}@{package.version}",
        texts=tuple(texts),
        needs=needs,
    )


def _first_line(texts: Iterable[Path]) -> str:
    lines = [line.strip() for text in texts for line in text.read_text(encoding="utf-8", errors="replace").splitlines()]
    return next((line for line in lines if line and len(line) < 100), "not told")


def vendored() -> list[Part]:
    """The browser libraries in static/vendor, as the list beside them names them."""
    rows = [
        line.split(" | ") for line in (vendor_assets.VENDOR / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")
    ]
    told = {row[0].strip("| "): row for row in rows}
    return [
        Part(
            name=package.name,
            version=package.version,
            licence=told[package.name][2].partition(",")[0],
            home=told[package.name][3],
            purl=f"pkg:npm/{quote(package.name)}@{package.version}",
            texts=(vendor_assets.VENDOR / package.folder / "LICENSE",),
        )
        for package in vendor_assets.PACKAGES
    ]


def bill(parts: Iterable[Part]) -> dict:
    """A bill of materials, CycloneDX 1.5: the parts, their licences, and which needs which."""
    parts = list(parts)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = {plain_name(part.name): part.purl for part in parts}
    direct = {plain_name(Requirement(line).name) for name in (APP, NO_DEPS) for line in requirements_of(name)}
    own = f"pkg:pypi/{project['name']}@{project['version']}"
    top = sorted({known[name] for name in direct if name in known} | {part.purl for part in parts if part.purl.startswith("pkg:npm/")})
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "bom-ref": own, "name": project["name"], "version": project["version"], "purl": own},
            "properties": [{"name": "python", "value": platform.python_version()}, {"name": "system", "value": platform.system()}],
        },
        "components": [_component(part) for part in parts],
        "dependencies": [
            {"ref": own, "dependsOn": top},
            *({"ref": part.purl, "dependsOn": sorted({known[name] for name in part.needs if name in known})} for part in parts),
        ],
    }


def _component(part: Part) -> dict:
    component = {"type": "library", "bom-ref": part.purl, "name": part.name, "version": part.version, "purl": part.purl}
    if part.home.startswith("http"):
        component["externalReferences"] = [{"type": "website", "url": part.home}]
    return {**component, "licenses": [{"license": {"name": part.licence}}]}


# ---- known holes ----


def audit() -> int:
    """Run pip-audit over the locked versions: 0 where it knows of no hole, 1 where it does, 2 where not all could be asked about."""
    uv = _uv()
    if uv is None:
        return _not_checked("no uv was found")
    how = ["--disable-pip", "--progress-spinner", "off", "--format", "json", "--requirement", LOCKS[APP]]
    ran = subprocess.run([*uv, "tool", "run", "pip-audit", *how], cwd=ROOT, capture_output=True, text=True)
    try:
        told = json.loads(ran.stdout)["dependencies"]
    except (ValueError, KeyError):
        return _not_checked((ran.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1])
    holes = [(one["name"], one["version"], hole) for one in told for hole in one.get("vulns", ())]
    for name, version, hole in holes:
        print(f"{name} {version}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'no version yet'}")
    missed = sum("skip_reason" in one for one in told)
    if missed:  # an index that keeps no list of holes answers so, and pip-audit takes it for good news
        return _not_checked(f"the index here tells nothing of {missed} of {len(told)} packages")
    print(f"{len(told)} packages, {len(holes)} known holes")
    return 1 if holes else 0


def _not_checked(why: str) -> int:
    print(f"Not all versions were checked: {why}. Expected uv, and a network that reaches PyPI's list of holes. Try again with both.")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
