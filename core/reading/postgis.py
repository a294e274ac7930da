"""Tables in PostgreSQL with PostGIS, by their address: read, never shown with its password, and connected to as libpq does it.

    postgresql://USER@HOST:PORT/DATABASE?table=SCHEMA.NAME

is libpq's own form of an address with `table` added. All else that libpq knows may stand in it or be left to it: PGHOST and its like,
~/.pgpass, and service files (`postgresql:///?service=NAME&table=...`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from core.errors import GroundlineError, SettingsError

if TYPE_CHECKING:
    import psycopg

FORM = "postgresql://USER@HOST/DATABASE?table=SCHEMA.NAME"
_ADDRESS = re.compile(r"postgres(ql)?:/", re.IGNORECASE)
_SECRET = re.compile(r"(postgres(?:ql)?:/+[^:@/\s]*):.*@|([?&](?:ssl)?password=)[^&\s]*", re.IGNORECASE)
_SECRETS = ("password", "sslpassword")
_OWN = ("table", "schema")
PUBLIC = "public"
"""The schema of a table that names none."""
LONGEST_NAME = 63
"""Bytes that PostgreSQL keeps of a name; it cuts what is longer."""
_PATIENCE_S = 10
"""How long a server may take to answer, where the address or PGCONNECT_TIMEOUT does not say, and others may hold a table."""
_MOST_WORDS = 300


@dataclass(frozen=True)
class TableAddress:
    """A table and what libpq needs to connect to its database, in libpq's words; the password is part of neither text nor repr."""

    schema: str
    table: str
    server: Mapping[str, str] = field(repr=False)

    @property
    def name(self) -> str:
        """The table as people write it: "public.roofs"."""
        return f"{self.schema}.{self.table}"

    @property
    def has_password(self) -> bool:
        """Whether a password stands in the address."""
        return any(self.server.get(key) for key in _SECRETS)

    def beside(self, ending: str) -> TableAddress:
        """A table of the same schema whose name has an ending. Raises SettingsError where it becomes too long."""
        return TableAddress(self.schema, _checked(self.table + ending, "table"), self.server)

    def __str__(self) -> str:
        """The address as it was typed, but for its password: it can be typed again."""
        told = {key: value for key, value in self.server.items() if key not in _SECRETS}
        user, host, port, database = (told.pop(key, "") for key in ("user", "host", "port", "dbname"))
        place = f"{quote(user, safe='')}@" if user else ""
        # Hosts may be several, each with a port.
        ports = port.split(",")
        hosts = [quote(one, safe="[]:") for one in host.split(",")]
        place += ",".join(f"{one}:{ports[k % len(ports)]}" if ports[k % len(ports)] else one for k, one in enumerate(hosts))
        dotted = "." in self.table or "." in self.schema
        told |= {"schema": self.schema, "table": self.table} if dotted else {"table": self.name}
        return f"postgresql://{place}/{quote(database)}?" + "&".join(f"{key}={quote(value, safe='.')}" for key, value in told.items())


def is_address(text: object) -> bool:
    """Whether a text is meant as the address of a table."""
    return isinstance(text, str) and _ADDRESS.match(text) is not None


def masked(text: str) -> str:
    """A text without the passwords of the addresses in it."""
    return _SECRET.sub(lambda found: f"{found[1]}:***@" if found[1] else f"{found[2]}***", text)


def read_address(text: str) -> TableAddress:
    """The table that an address names. A dot parts schema and table unless `schema` is given too. Raises SettingsError."""
    place, _, query = text.partition("?")
    own: dict[str, str] = {}
    others = []
    for part in query.split("&") if query else ():
        key, _, value = part.partition("=")
        if key in _OWN:
            own[key] = unquote(value)
        else:
            others.append(part)
    if place.rpartition("@")[0].count("/") > 2 or place.count("@") > 1:
        raise _unreadable(text)  # a password as it is, of which libpq would take pieces for a host, a port or a database
    server = _server(f"{place}?{'&'.join(others)}" if others else place, text)
    if not own.get("table"):
        raise SettingsError(f"{masked(text)} names no table", expected=FORM, do="Add ?table=NAME")
    return table_address(server, own["table"], own.get("schema"))


def table_address(server: Mapping[str, str], table: str, schema: str | None = None) -> TableAddress:
    """A table of a server, named in libpq's words; a dot in its name parts schema and table where no schema is given."""
    if schema is None:
        before, dot, after = table.partition(".")
        schema, table = (before, after) if dot else (PUBLIC, table)
    kept = {key: value for key, value in server.items() if value}
    return TableAddress(_checked(schema, "schema"), _checked(table, "table"), kept)


def _server(place: str, text: str) -> dict[str, str]:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        return {key: str(value) for key, value in conninfo_to_dict(place).items() if value is not None}
    except psycopg.Error:
        raise _unreadable(text) from None


def _unreadable(text: str) -> SettingsError:
    """What libpq itself says of an address can hold pieces of its password, and is not shown."""
    return SettingsError(
        f"{masked(text)} is no address of a database",
        expected=FORM,
        do="Write : / ? # @ & and % in names as %3A %2F %3F %23 %40 %26 and %25, and leave the password to ~/.pgpass or PGPASSWORD",
    )


def _checked(name: str, what: str) -> str:
    size = len(name.encode("utf-8", "surrogatepass"))
    if not name or "\0" in name or size > LONGEST_NAME:
        raise SettingsError(
            f"a {what} whose name has {size} bytes" if "\0" not in name else f"a {what} with a zero byte in its name",
            expected=f"1 to {LONGEST_NAME} bytes, which is what PostgreSQL keeps",
            do="Choose another name",
        )
    return name


def refuse_password(request: Any) -> None:
    """Raise SettingsError where a value of a request that will be written down is an address with a password."""
    if isinstance(request, Mapping):
        request = list(request.values())
    if isinstance(request, (list, tuple)):
        for value in request:
            refuse_password(value)
    elif is_address(request) and masked(request) != request:
        raise SettingsError(
            f"a password in {masked(request)}",
            expected="none, because what is asked for is written down",
            do="Leave it out, and put it into ~/.pgpass or PGPASSWORD",
        )


@contextmanager
def connected(address: TableAddress, kind: type[GroundlineError], *, writes: bool = False) -> Iterator[psycopg.Connection]:
    """A connection to a table's database in one transaction, which ends well with the block and is taken back by any error in it.

    Whatever the server refuses becomes an error of `kind`, in one line. writes: whether it may change anything.
    """
    import psycopg

    settings: dict[str, Any] = {"application_name": "groundline", **address.server}
    if not ("service" in settings or "PGCONNECT_TIMEOUT" in os.environ):  # whose words count
        settings = {"connect_timeout": _PATIENCE_S, **settings}
    try:
        connection = psycopg.connect(**settings, client_encoding="utf8")
    except (psycopg.Error, UnicodeError) as error:
        needs = getattr(getattr(error, "pgconn", None), "needs_password", False)
        raise kind(
            f"no connection to {address} ({_one_line(error)})",
            expected="a PostgreSQL server that lets this user into this database",
            do="Put the password into ~/.pgpass or PGPASSWORD" if needs else "Check host, port, database, user and password",
        ) from None
    try:
        with connection:
            connection.read_only = not writes
            connection.execute(f"SET LOCAL lock_timeout = '{_PATIENCE_S}s'")
            yield connection
    except psycopg.Error as error:
        raise _refused(error, address, kind) from error


def extension_schema(connection: psycopg.Connection, address: TableAddress, kind: type[GroundlineError]) -> str:
    """The schema in which PostGIS's own types and functions lie; an error of `kind` where the database has none."""
    row = connection.execute(
        "SELECT nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'postgis'"
    ).fetchone()
    if row is None:
        database = connection.info.dbname
        raise kind(
            f"database {database} of {address} has no PostGIS",
            expected="one with the extension postgis",
            do="Have its owner run CREATE EXTENSION postgis in it",
        )
    return str(row[0])


def _refused(error: psycopg.Error, address: TableAddress, kind: type[GroundlineError]) -> GroundlineError:
    from psycopg import errors

    advice: dict[type[Exception], tuple[str, str]] = {
        errors.InsufficientPrivilege: ("a user with the right to do so", f"Ask the owner of schema {address.schema}, or name another one"),
        errors.DependentObjectsStillExist: ("a table that nothing else is made of", "Drop what depends on it, or choose another name"),
        errors.DuplicateTable: ("a free name", "Choose another name: somebody made it in this moment"),
        errors.UniqueViolation: ("a free name", "Choose another name: somebody made it in this moment"),
        errors.LockNotAvailable: ("a table that nobody uses at this moment", "Try again later, or name another table"),
        errors.ReadOnlySqlTransaction: ("a server that can be written", "Name the primary server"),
    }
    expected, do = next(
        (words for known, words in advice.items() if isinstance(error, known)), ("a server that does it", "Ask who runs it")
    )
    return kind(f"{address.name} in {address.server.get('dbname', 'the database')}: {_one_line(error)}", expected=expected, do=do)


def _one_line(error: Exception) -> str:
    told = getattr(getattr(error, "diag", None), "message_primary", None) or str(error)
    return masked(" ".join(told.split()).rstrip("."))[:_MOST_WORDS]
