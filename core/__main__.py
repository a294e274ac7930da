"""The command line: `python -m core VERB`, the contract that scripts rely on.

Exit codes: 0 done; 2 something the user can mend, said in one line on stderr; 130 stopped by Ctrl-C; 1 our own mistake.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from core.errors import OUT_OF_MEMORY, Cancelled, GroundlineError
from core.files import dump_json
from core.networks.lean import keep_lean
from core.progress_line import ProgressLine
from core.verbs import registry
from core.verbs.verb import READY, Verb

EXIT_USER = 2
EXIT_STOPPED = 130
PLACE_ERRORS = (
    *(errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ENOSPC, errno.EROFS, errno.EFBIG, errno.ENAMETOOLONG),
    *(number for number in (getattr(errno, "EDQUOT", None),) if number is not None),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was typed and return the exit code."""
    keep_lean()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Class names may hold any letter, and a console of Windows may not know it: better a "?" than an error.
            stream.reconfigure(errors="replace")
    words = sys.argv[1:] if arguments is None else arguments
    options = registry.command_line(words).parse_args(words)
    verb, request = options.typed(options)
    progress = ProgressLine(sys.stderr)
    try:
        with _interrupts() as stop:
            answer = _answer(verb, request, progress, stop, lambda told: _say(verb, told, options.json))
    except GroundlineError as error:
        return _leave(progress, str(error), EXIT_USER)
    except Cancelled as stopped:
        return _leave(progress, f"Stopped. {stopped}", EXIT_STOPPED)
    except KeyboardInterrupt:
        return _leave(progress, "Stopped.", EXIT_STOPPED)
    except OSError as error:
        if error.errno not in PLACE_ERRORS:
            raise
        found = f"{error.filename or 'the output'}: {error.strerror}"
        line = f"{found}. Expected a place that can be written. Choose another one."
        return _leave(progress, line, EXIT_USER)
    except MemoryError:
        return _leave(progress, OUT_OF_MEMORY, EXIT_USER)
    progress.clear()
    _say(verb, answer, options.json)
    return 0


def _say(verb: Verb, answer: dict[str, Any], as_json: bool) -> None:
    try:
        print(dump_json(answer) if as_json else verb.said(answer), flush=True)
    except BrokenPipeError:  # whoever read has heard enough; the work is done
        _be_silent(sys.stdout)


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


def _answer(
    verb: Verb, request: dict[str, Any], progress: ProgressLine, stop: _Stop, say: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    def on_event(event: dict[str, Any]) -> None:
        if event["type"] == READY:
            say(event["answer"])

    # Work that ends by itself is not asked for events: some makes pictures for who hears them.
    heard = on_event if verb.lasting else None
    answer = registry.run(verb.name, request, on_progress=progress, should_stop=stop, on_event=heard)
    if answer.get("stopped"):
        if answer.get("best_epoch") == 0:
            raise Cancelled("No epoch was finished, so there is no model yet.")
        raise Cancelled(f"{verb.kept} in {answer['folder']}.")
    return answer


def _leave(progress: ProgressLine, line: str, code: int) -> int:
    progress.clear()
    try:
        print(line, file=sys.stderr, flush=True)
    except BrokenPipeError:
        _be_silent(sys.stderr)
    return code


def _be_silent(stream: TextIO) -> None:
    """Let what is still to be flushed into a closed pipe go nowhere."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


if __name__ == "__main__":
    sys.exit(main())
