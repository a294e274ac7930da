"""One file over HTTP: with progress, continued after a break, checked, and whole or absent under its name."""

from __future__ import annotations

import hashlib
import http
import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

from core.errors import InputError
from core.progress import OnProgress, ShouldStop, check, report

_PATIENCE_S = 20.0
_CHUNK_BYTES = 1 << 18
_ATTEMPTS = 3


def fetch(
    url: str,
    path: str | os.PathLike,
    *,
    digest: str | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Path:
    """Download `url` to `path` unless it lies there already; `digest` is its MD5 or SHA-256 in hexadecimal, None for unknown.

    What arrived before a break stays in `path` + ".part" and is continued, now or at the next call. Progress is in bytes.
    Raises InputError when it cannot be had whole or is not the file it should be, Cancelled when asked to stop.
    """
    path = Path(path)
    if path.is_file() and matches(path, digest):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    problem: Exception | None = None
    for _ in range(_ATTEMPTS):
        try:
            if _continue(url, part, on_progress, should_stop):
                break
            problem = None
        except urllib.error.HTTPError as error:
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                part.unlink(missing_ok=True)  # more than there is: the remains of another file
            problem = error
        except (OSError, http.client.HTTPException) as error:
            problem = error
    else:
        reason = " ".join(str(problem or "the connection breaks off").split())[:200]
        raise InputError(
            f"{path.name} could not be downloaded from {url} ({reason})",
            expected="a network connection at the first use",
            do="Try again; what has arrived is kept",
        )
    if not matches(part, digest):
        part.unlink()
        raise InputError(
            f"{path.name} from {url} is not the file that was published",
            expected=f"the checksum {digest}",
            do="Try again later or from another network, or name a local file",
        )
    os.replace(part, path)
    return path


def matches(path: Path, digest: str | None) -> bool:
    """Whether a file has this MD5 or SHA-256; always when it is None."""
    if digest is None:
        return True
    name = "sha256" if len(digest) == 64 else "md5"
    with open(path, "rb") as file:
        return hashlib.file_digest(file, name).hexdigest() == digest.lower()


def _continue(url: str, part: Path, on_progress: OnProgress | None, should_stop: ShouldStop | None) -> bool:
    """Append what is missing to `part`; whether all of it has arrived."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
        continued = answer.status == 206
        have = have if continued else 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else 0
        message = f"Downloading {part.name.removesuffix('.part')}"
        with open(part, "ab" if continued else "wb") as file:
            while chunk := answer.read(_CHUNK_BYTES):
                file.write(chunk)
                have += len(chunk)
                report(on_progress, have, total, message)
                check(should_stop)
    return not total or have >= total
