"""A part of the layer into a table of PostGIS. Nothing is connected before the button is pressed, and the password is kept nowhere."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from core.digests import digest_of
from core.errors import SettingsError
from core.plain import in_markdown
from core.reading.postgis import LONGEST_NAME, PUBLIC, TableAddress, table_address
from core.words import counted
from ui import frame
from ui.allowed import changing, refuse_if_read_only, shared
from ui.input import KEEP
from ui.kept import keep

if TYPE_CHECKING:
    from core.vector.layer import LineLayer, PolygonLayer

_TURN = "gl_map_postgis_turn"
_SAID = "gl_map_postgis_said"
_SHARED_WORDS = (
    "Others use this dashboard over the network, and this machine would connect to databases for them. "
    "`vectorize` on the command line writes tables, and so does a dashboard that answers on its own machine alone."
)
_PORT = 5432
_PROPOSED = 40
"""Letters of a name that is proposed at most; some take several bytes, and one for lines is longer."""


def offer(title: str, part: Callable[[], PolygonLayer], *, crs: str | None, lines: LineLayer | None, empty: bool) -> None:
    """A folded form that writes `part()` to a table; `title` proposes its name.

    crs, lines: as `write_table` takes them. empty: whether there is nothing to write.
    """
    with st.expander("Write to PostGIS", icon=":material/database:", key="map_postgis", on_change="rerun") as more:
        if not more.open:
            return
        if shared():
            st.caption(_SHARED_WORDS)
            return
        address, overwrite = _form(title)
        words = "Connects, writes the table with index, notes and style, and compares it, all or nothing."
        if st.button("Write the table", key="map_postgis_write", icon=":material/upload:", **changing(words, disabled=empty)):
            with frame.errors():
                refuse_if_read_only()
                _write(address(), part(), crs=crs, lines=lines, overwrite=overwrite)
        for number, said in enumerate(st.session_state.pop(_SAID, ())):
            (st.info if number else st.success)(in_markdown(said), icon=":material/info:" if number else ":material/check_circle:")


def _form(title: str) -> tuple[Callable[[], TableAddress], bool]:
    """What was entered, as a function that makes the address of it, and whether an older table may be replaced."""
    a, b, c, d = st.columns([3, 1, 2, 2])
    left = "Empty: as libpq knows it, from {}."
    server = {
        "host": a.text_input("Host", key="map_postgis_host", placeholder="localhost", help=left.format("PGHOST"), **KEEP),
        "port": b.text_input("Port", key="map_postgis_port", placeholder=str(_PORT), help=left.format("PGPORT"), **KEEP),
        "dbname": c.text_input("Database", key="map_postgis_database", placeholder="gis", help=left.format("PGDATABASE"), **KEEP),
        "user": d.text_input("User", key="map_postgis_user", help=left.format("PGUSER, or who you are here"), **KEEP),
    }
    e, f, g = st.columns([2, 2, 4])
    # A field of its own for each table that was written: the password is gone with it.
    server["password"] = e.text_input(
        "Password",
        type="password",
        key=f"map_postgis_password_{st.session_state.get(_TURN, 0)}",
        autocomplete="off",
        help="Used once and kept nowhere. Empty: that of ~/.pgpass or PGPASSWORD.",
    )
    schema = f.text_input("Schema", PUBLIC, key="map_postgis_schema", **KEEP)
    proposed = re.sub(r"\W+", "_", title).strip("_").lower()[:_PROPOSED]
    table = g.text_input("Table", proposed, max_chars=LONGEST_NAME, key=f"map_postgis_table_{digest_of(title)}")
    overwrite = st.toggle("Replace a table that Groundline wrote", key="map_postgis_overwrite", help="No other table is ever replaced.")
    return lambda: _address(server, schema, table), overwrite


def _address(server: dict[str, str], schema: str, table: str) -> TableAddress:
    port = server["port"].strip()
    if port and not (port.isascii() and port.isdigit()):
        raise SettingsError(f"port {port!r}", expected=f"a number such as {_PORT}", do="Correct the port")
    # A password may begin or end with a blank, all else was pasted so.
    told = {key: value if key == "password" else value.strip() for key, value in server.items()}
    return table_address(told, table.strip(), schema.strip() or PUBLIC)


def _write(address: TableAddress, layer: PolygonLayer, *, crs: str | None, lines: LineLayer | None, overwrite: bool) -> None:
    """Write the table while a bar tells how far it is, and come back with an empty field for the password."""

    def make(tell: Callable[[int, int, str], None]) -> tuple[str, ...]:
        from core.vector.formats.postgis import write_table

        notes: list[str] = []
        count = write_table(layer, address, crs=crs, lines=lines, overwrite=overwrite, on_note=notes.append, on_progress=tell)
        return (f"{counted(count, 'polygon')} in {address.name}, read again.", *notes)

    # Random, so that the same table is written anew when somebody asks again.
    said = keep("postgis", digest_of(os.urandom(8)), make, words="Connecting", most=1)
    st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1
    st.session_state[_SAID] = said
    st.rerun()
