"""Verb serve: give the layers and rasters of a workspace an address that GIS programs and browsers open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import Cancelled
from core.progress import ShouldStop
from core.publishing.names import HERE, PORT
from core.settings import REQUIRED, Settings, setting
from core.verbs.verb import READY, Answer, OnEvent, Verb


@dataclass(frozen=True)
class ServeRequest(Settings):
    """What `serve` can be told."""

    workspace: Path = setting(REQUIRED, "folder in which the dashboard keeps predictions and layers", flag="WORKSPACE")
    host: str = setting(HERE, "address to listen on; any other one than this machine's own lets the network in, by a password")
    port: int = setting(PORT, "port to listen on; 0 takes any that is free", low=0, high=65535)
    attribution: str | None = setting(None, "whom the pictures belong to, as maps show it: © Somebody")
    licence: str | None = setting(None, "of what is served, by its SPDX name: CC-BY-4.0, say; folders made by handover have their own")


def run(asked: ServeRequest, *, should_stop: ShouldStop | None = None, on_event: OnEvent | None = None, **_: Any) -> Answer:
    """Serve a workspace until it is stopped; what is served is told as an event once the server answers. Raises Cancelled at the end."""
    from core.publishing import names, password, running
    from core.publishing.offers import require_workspace

    workspace = require_workspace(asked.workspace)
    shared = running.open_to_others(asked.host)
    typed = password.from_environment()
    secret = typed or (password.made_up() if shared else "")
    bound = running.listening(asked.host, asked.port)
    try:
        from core.publishing.app import Imprint, Publisher, Shelf
        from core.publishing.doors import Doors

        address = running.address_of(asked.host, bound.getsockname()[1])
        title = f"Groundline: {workspace.root.name}"
        shown = Shelf(workspace, Imprint(address, title, asked.attribution or "", asked.licence or ""))
        shown.api()
        guarded = password.Guarded(secret) if secret else None
        app = Doors(Publisher(shown).app(), names.allowed_hosts(asked.host), guarded)
        answer: Answer = {
            "address": address,
            "workspace": str(workspace.root),
            "shared": shared,
            "password": None if typed or not secret else secret,
            "collections": [
                {"id": offer.id, "kind": offer.kind, "title": offer.title, "address": f"{address}/collections/{offer.id}"}
                for offer in shown.offers.values()
            ],
            "notes": list(shown.notes),
        }

        def ready() -> None:
            if on_event is not None:
                on_event({"type": READY, "answer": answer})

        with running.noted(workspace, address):
            running.run(app, bound, should_stop or (lambda: False), on_ready=ready)
    finally:
        bound.close()
    raise Cancelled("Nothing is served any more.")


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """The address, who can reach it, and what is served."""
    from core.words import counted

    yield f"Serving {answer['workspace']} at {answer['address']} (Ctrl-C ends it)"
    if answer["shared"]:
        yield f"Open to the network at {answer['address']}"
    if answer["password"]:
        yield f"Password: {answer['password']}"
    yield from (f"{one['title']}: {one['address']}" for one in answer["collections"])
    yield f"{counted(len(answer['collections']), 'collection')}; new results appear by themselves"
    yield from (f"Note: {note}" for note in answer["notes"])


VERB = Verb(
    "serve",
    ServeRequest,
    run,
    summary,
    writes=(),
    lasting=True,
)
