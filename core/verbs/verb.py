"""A verb: one thing that a user can do, from the words typed or the request written down to what is said at the end."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import SettingsError
from core.settings import PICTURE, Settings, request_options

Answer = dict[str, Any]
"""What work leaves behind: values fit for JSON."""

OnEvent = Callable[[dict[str, Any]], None]
"""Called with one event, a dict that has a "type"."""
PASSING = "steps"
"""The type of events of which only the last one matters, however many there are."""
READY = "ready"
"""The type of the event by which a lasting verb tells its "answer" as soon as it can be used."""

Typed = tuple["Verb", dict[str, Any]]
"""A verb and its request, as the command line was understood."""


def place_of(out: Path | None) -> Path:
    """Where the output goes; a job finds a place where its request names none. Raises SettingsError when there is none yet."""
    if out is None:
        raise SettingsError("a request without a place for its output", expected="the key 'out'", do="Name the folder to write")
    return out


@dataclass(frozen=True)
class Verb:
    """One kind of work: what it can be told, what runs it, what it says at the end, and what it needs of the machine.

    `name` is that of a kind of job, on the command line with dashes. `settings` are all that it can be told: the keys
    of a request and the flags follow from them. `run(settings, on_progress=, should_stop=, on_event=)` does it.
    `summary` gives lines for people about the answer. `place` is the workspace folder in which the output goes when
    the request names none; `heavy` work runs one at a time. `lasting` work ends only when it is stopped, and tells
    its answer at the beginning. `kept` begins the sentence about work that was stopped and left something. `writes`
    are the keys of what it writes, which one run holds at a time. `arguments` and `typed` take the place of what is
    derived from the settings, where a verb takes other words.
    """

    name: str
    settings: type[Settings]
    run: Callable[..., Answer]
    summary: Callable[[Mapping[str, Any]], Iterable[str]] | None = None
    place: str | None = None
    heavy: bool = False
    lasting: bool = False
    kept: str = ""
    writes: tuple[str, ...] = ("out",)
    arguments: Callable[[argparse.ArgumentParser], None] | None = None
    typed: Callable[[argparse.Namespace], Typed] | None = None

    def said(self, answer: Mapping[str, Any]) -> str:
        """A few lines about an answer."""
        return "\n".join(self.summary(answer) if self.summary else ())

    @property
    def required(self) -> tuple[str, ...]:
        """Keys that a request must hold."""
        return tuple(option.key for option in request_options(self.settings) if option.required)

    @property
    def optional(self) -> dict[str, Any]:
        """Keys that a request may hold, with their defaults."""
        return {option.key: {} if option.group else option.default for option in request_options(self.settings) if not option.required}

    @property
    def paths(self) -> tuple[str, ...]:
        """Keys that hold a path, or several."""
        return tuple(option.key for option in request_options(self.settings) if option.path)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Keys whose paths may be addresses."""
        return tuple(option.key for option in request_options(self.settings) if option.address)

    @property
    def pictures(self) -> tuple[str, ...]:
        """Keys whose paths may be addresses of pictures on other machines."""
        return tuple(option.key for option in request_options(self.settings) if option.address == PICTURE)
