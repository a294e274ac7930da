"""What a server of this machine is called: the names in a Host header that it answers to, and whether others can reach it."""

from __future__ import annotations

import itertools
import os
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Scope

HERE = "127.0.0.1"
"""The address by which this machine reaches itself alone."""
PORT = 8600
"""The port of layers and rasters where no other one is asked for."""
HOSTS_VARIABLE = "GROUNDLINE_HOSTS"
"""Further names that a server may be called by, with commas between them; needed where a proxy stands before it."""
EVERYWHERE = ("0.0.0.0", "::")
"""Addresses that stand for all networks of this machine."""
_HERE = ("localhost", HERE, "::1")


def listens_here_alone(address: str | None) -> bool:
    """Whether a server with this address can be reached from its own machine only; no address means all networks."""
    name = (address or "").strip().lower().strip("[]")
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def own_names() -> list[str]:
    """What this machine is called on its networks: its addresses, those of version 4 first, then its names."""
    import psutil

    entries = itertools.chain(*psutil.net_if_addrs().values())
    found = [entry.address.partition("%")[0] for entry in entries if entry.family in (socket.AF_INET, socket.AF_INET6)]
    outside = [address for address in found if not listens_here_alone(address)]
    name = socket.gethostname().lower()
    return [*sorted(outside, key=lambda address: ":" in address), name, f"{name.partition('.')[0]}.local"]


def allowed_hosts(address: str | None = None) -> frozenset[str]:
    """The names in a Host header that are answered: this machine's own, the server's `address`, and those in GROUNDLINE_HOSTS.

    A server that listens on all networks is called by any of its machine's names.
    """
    named = os.environ.get(HOSTS_VARIABLE, "").split(",")
    told = own_names() if address in (None, "", *EVERYWHERE) else [str(address)]
    return frozenset(name.strip().lower().strip("[]") for name in (*_HERE, *told, *named) if name.strip())


def host_of(scope: Scope) -> str:
    """The name in the Host header of a request without its port; "" where there is none or several."""
    named = [value for key, value in scope["headers"] if key == b"host"]
    text = named[0].decode("latin-1").strip().lower() if len(named) == 1 else ""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.count(":") == 1 else text
