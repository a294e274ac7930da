"""The command line: `python -m core VERB`, the contract that scripts rely on.

Exit codes: 0 done; 2 something the user can mend, said in one line on stderr; 130 stopped by Ctrl-C; 1 our own mistake.
"""

from __future__ import annotations

import errno
import io
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from core.commands.arguments import build_parser, kind_of
from core.commands.summaries import summarise
from core.errors import Cancelled, GroundlineError
from core.files import dump_json
from core.jobs import kinds
from core.verbs.progress_line import ProgressLine
from core.workspace import default_workspace

EXIT_USER = 2
EXIT_STOPPED = 130
_PLACE_ERRORS = (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ENOSPC, errno.EROFS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was typed and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Class names may hold any letter, and a console of Windows may not know it: better a "?" than an error.
            stream.reconfigure(errors="replace")
    options = build_parser().parse_args(arguments)
    progress = ProgressLine(sys.stderr)
    try:
        with _interrupts() as stop:
            answer = _answer(kind_of(options), options.request(options), progress, stop)
    except GroundlineError as error:
        return _leave(progress, str(error), EXIT_USER)
    except Cancelled as stopped:
        return _leave(progress, f"Stopped. {stopped}", EXIT_STOPPED)
    except KeyboardInterrupt:
        return _leave(progress, "Stopped.", EXIT_STOPPED)
    except OSError as error:
        if error.errno not in _PLACE_ERRORS:
            raise
        found = f"{error.filename or 'the output'}: {error.strerror}"
        line = f"{found}. Expected a place that can be written. Choose another one."
        return _leave(progress, line, EXIT_USER)
    progress.clear()
    print(dump_json(answer) if options.json else summarise(kind_of(options), answer))
    return 0


class _Stop:
    """Remembers that Ctrl-C was pressed."""

    pressed = False

    def __call__(self) -> bool:
        return self.pressed


@contextmanager
def _interrupts() -> Iterator[_Stop]:
    """Make the first Ctrl-C a wish to stop, which leaves nothing half-written, and the second one an interrupt."""
    stop = _Stop()

    def on_interrupt(*_signal: Any) -> None:
        if stop.pressed:
            raise KeyboardInterrupt
        stop.pressed = True

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def _answer(verb: str, request: dict[str, Any], progress: ProgressLine, stop: _Stop) -> dict[str, Any]:
    if verb == "models":
        return _models()
    answer = kinds.run(verb.replace("-", "_"), request, on_progress=progress, should_stop=stop)
    if answer.get("stopped"):
        left = "What the trials did is kept" if verb == "search" else "The best model so far is"
        raise Cancelled(f"{left} in {answer['folder']}.")
    return answer


def _models() -> dict[str, Any]:
    from core.model_store.models import list_models

    found = []
    for model in list_models([default_workspace().models]):
        card = model.card
        found.append(
            {
                "name": model.folder.name,
                "title": card.name,
                "folder": model.folder,
                "architecture": card.architecture,
                "encoder": card.encoder,
                "classes": card.scheme.names,
                "bands": card.bands,
                "dtype": card.dtype,
                "patch_size": card.patch_size,
                "scale": card.scale,
                "pixel_size_m": card.pixel_size_m,
                "mean_iou": _validation(card.metrics).get("mean_iou"),
                "metrics": card.metrics,
            }
        )
    return {"models": found}


def _validation(metrics: dict[str, Any]) -> dict[str, Any]:
    nested = metrics.get("validation")
    return nested if isinstance(nested, dict) else metrics


def _leave(progress: ProgressLine, line: str, code: int) -> int:
    progress.clear()
    print(line, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
