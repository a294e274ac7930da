"""A layer as a table in PostGIS: written, described, styled, read again and compared in one transaction, in batches."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely
from pyproj import CRS

from core.errors import ExportError
from core.progress import OnProgress, ShouldStop, check, report
from core.reading.postgis import TableAddress, connected, extension_schema
from core.vector.formats.content import Content, content_of
from core.vector.formats.export import OnNote, compare_noting, crs_words, of_one_origin, target_crs
from core.vector.formats.styles import qgis_style
from core.vector.layer import LineLayer, PolygonLayer

if TYPE_CHECKING:
    import psycopg

GEOMETRY = "geom"
"""The name of the column of outlines."""
LINES = "_lines"
"""What the name of the table with centre lines ends in."""
_BATCH = 20_000
"""Features that are on their way at once, to the server and back."""
_STYLES = "layer_styles"
"""Where QGIS looks for the styles of a database's tables."""
_STYLE = "classes"
_TYPES = {"b": "boolean", "i": "integer", "u": "integer", "f": "double precision"}
_OURS = "Made by Groundline "
"""How the comments of our tables begin, see `Content.about`: no other table is ever replaced."""


def refuse_table(address: TableAddress, *, lines: bool = False, overwrite: bool = False) -> None:
    """Look whether a layer can be written to a table, before the minutes that it takes to make one.

    lines: whether centre lines go along. Raises ExportError where the server is not there, has no PostGIS, lets the user make no table, or
    holds one of that name that may not be replaced: any without `overwrite`, with it those that are not ours.
    """
    with connected(address, ExportError) as connection:
        extension_schema(connection, address, ExportError)
        for one in (address, *([address.beside(LINES)] if lines else [])):
            _refuse_taken(connection, one, overwrite)


def write_table(
    layer: PolygonLayer | LineLayer,
    address: TableAddress,
    *,
    crs: str | CRS | None = None,
    lines: LineLayer | None = None,
    overwrite: bool = False,
    on_note: OnNote | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> int:
    """Write a layer to a table of PostGIS and return the features that it holds when it is read again.

    The table has the layer's fields, `id` as its key and outlines in `geom` with the SRID of `crs` (the layer's own by default, 0 without
    one), a spatial index, comments that tell scene, model and units, and the classes' colours in QGIS's layer_styles. lines: centre lines
    that go with the polygons, to a table beside it with `_lines` behind its name. overwrite: whether a table that Groundline wrote may be
    replaced. on_note: told, in a sentence, what was written otherwise than asked.
    All is one transaction, compared with what was meant before it ends: others see the whole table, or nothing of it. Raises ExportError
    as `refuse_table` does, and for a CRS without an SRID; Cancelled where `should_stop` says so.
    """
    note: OnNote = on_note or (lambda sentence: None)
    target = target_crs(layer, crs)
    parts = [(address, content_of(layer, "", crs=target, lonlat=False))]
    if lines is not None:
        parts.append((address.beside(LINES), content_of(of_one_origin(lines, layer), "", crs=target, lonlat=False)))
    steps, done = 2 * sum(len(content.fields) for _, content in parts), 0
    with connected(address, ExportError, writes=True) as connection:
        for place, content in parts:
            table = _Table(connection, place, content)
            table.make(overwrite)
            for rows in table.fill():
                check(should_stop)
                report(on_progress, done := done + rows, steps, f"Writing {place.name}")
            table.finish(note)
            for rows in table.compare(note):
                check(should_stop)
                report(on_progress, done := done + rows, steps, f"Reading {place.name} again")
    if target is None:
        note(f"{address.name} has SRID 0: its coordinates are {layer.geo.coordinates}, as its comment says")
    return len(layer.frame)


class _Table:
    """One table within a transaction."""

    def __init__(self, connection: psycopg.Connection, address: TableAddress, content: Content):
        from psycopg import sql

        self._connection, self._address, self._content = connection, address, content
        self._place = sql.Identifier(address.schema, address.table)
        self._extension = extension_schema(connection, address, ExportError)
        self._srid = self._srid_of(content.crs)
        # By the key, as the table is read again.
        self._order = np.argsort(content.fields["id"].to_numpy(), kind="stable")

    def make(self, overwrite: bool) -> None:
        """Make the empty table, in the place of an older one of ours where that may be."""
        from psycopg import sql

        _refuse_taken(self._connection, self._address, overwrite)
        self._do("DROP TABLE IF EXISTS {}", self._place)
        fields = self._content.fields
        columns = [sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(_type_of(fields[name]))) for name in map(str, fields)]
        key = sql.SQL("PRIMARY KEY ({})").format(sql.Identifier("id"))
        shape = "LineString" if self._content.lines else "Polygon"
        parts = bool((shapely.get_num_geometries(self._content.geometry) > 1).any())
        self._shape = f"Multi{shape}" if parts else shape
        outline = sql.SQL("{} {}.geometry({}, {})").format(
            sql.Identifier(GEOMETRY), sql.Identifier(self._extension), sql.SQL(self._shape), sql.Literal(self._srid)
        )
        self._do("CREATE TABLE {} ({})", self._place, sql.SQL(", ").join([*columns, outline, key]))

    def fill(self) -> Iterator[int]:
        """Send the features, in batches; yields how many went."""
        from psycopg import sql

        statement = sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(self._place)
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for part in self._batches():
                copy.write(_as_csv(part, self._srid, multi=self._shape.startswith("Multi")))
                yield len(part.fields)

    def finish(self, note: OnNote) -> None:
        """Index, comments, statistics and style."""
        from psycopg import sql

        content = self._content
        self._do("CREATE INDEX ON {} USING gist ({})", self._place, sql.Identifier(GEOMETRY))
        self._do("COMMENT ON TABLE {} IS {}", self._place, sql.Literal(content.about()))
        where = {GEOMETRY: f"outline, coordinates in {crs_words(content.crs)}" if content.crs is not None else "outline"}
        for name in [*map(str, content.fields), GEOMETRY]:
            words = where.get(name) or content.describe(name)
            if words:
                self._do("COMMENT ON COLUMN {}.{} IS {}", self._place, sql.Identifier(name), sql.Literal(words))
        self._do("ANALYZE {}", self._place)
        self._style(note)

    def compare(self, note: OnNote) -> Iterator[int]:
        """Read the table again, in batches, and compare it with what was meant; yields how many features were read."""
        from psycopg import sql

        count = self._do("SELECT count(*) FROM {}", self._place).fetchone()
        if count is None or count[0] != len(self._content.fields):
            raise ExportError(
                f"{self._address.name} with {count and count[0]} features when read again",
                expected=str(len(self._content.fields)),
                do="Look for triggers or rules of the database that change what is written",
            )
        crs = self._found_crs()
        names = list(map(str, self._content.fields))
        columns = sql.SQL(", ").join(map(sql.Identifier, names))
        told: set[str] = set()
        with self._connection.cursor("groundline", binary=True) as cursor:
            cursor.execute(
                sql.SQL("SELECT {}, {}.ST_AsBinary({}) FROM {} ORDER BY {}").format(
                    columns, sql.Identifier(self._extension), sql.Identifier(GEOMETRY), self._place, sql.Identifier("id")
                )
            )
            for meant in self._batches():
                rows = cursor.fetchmany(len(meant.fields))
                *values, outlines = zip(*rows, strict=True)
                fields = pd.DataFrame(dict(zip(names, values, strict=True)))
                geometry = _unwrapped(shapely.from_wkb(np.array(outlines, object)), meant.geometry)
                compare_noting(meant, Content(fields, geometry, crs), self._address.name, told.add)
                yield len(rows)
        for sentence in told:
            note(sentence)

    def _batches(self) -> Iterator[Content]:
        content = self._content
        for start in range(0, len(self._order), _BATCH):
            rows = self._order[start : start + _BATCH]
            yield replace(content, fields=content.fields.iloc[rows].reset_index(drop=True), geometry=content.geometry[rows])

    def _do(self, statement: str, *parts: Any) -> psycopg.Cursor:
        from psycopg import sql

        # Only names and words that psycopg quotes go into the places.
        return self._connection.execute(sql.SQL(statement).format(*parts))  # type: ignore[arg-type]

    def _srid_of(self, crs: CRS | None) -> int:
        """PostGIS's number of a CRS, 0 for none. Raises ExportError for one that the database does not know."""
        from psycopg import sql

        if crs is None:
            return 0
        # to_authority looks beyond EPSG: at ESRI's numbers, which PostGIS has too.
        code = ("EPSG", str(crs.to_epsg())) if crs.to_epsg() else crs.to_authority()
        if code is not None and code[1].isdigit():
            found = self._connection.execute(
                sql.SQL("SELECT srid FROM {}.spatial_ref_sys WHERE upper(auth_name) = %s AND auth_srid = %s").format(
                    sql.Identifier(self._extension)
                ),
                (code[0].upper(), int(code[1])),
            ).fetchone()
            if found is not None:
                return int(found[0])
        raise ExportError(
            f"no SRID for {crs_words(crs)} in database {self._connection.info.dbname}",
            expected="a CRS that its table spatial_ref_sys holds",
            do="Name another one with --crs, for example EPSG:4326, or choose GeoPackage",
        )

    def _found_crs(self) -> CRS | None:
        """The CRS that the table says of itself."""
        from psycopg import sql

        found = self._connection.execute(
            sql.SQL(
                "SELECT auth_name, auth_srid, srtext FROM {0}.geometry_columns LEFT JOIN {0}.spatial_ref_sys USING (srid) "
                "WHERE f_table_schema = %s AND f_table_name = %s AND f_geometry_column = %s"
            ).format(sql.Identifier(self._extension)),
            (self._address.schema, self._address.table, GEOMETRY),
        ).fetchone()
        if found is None or found[1] is None:
            return None
        return CRS.from_authority(found[0], found[1])

    def _style(self, note: OnNote) -> None:
        """Put the classes' colours where QGIS finds them; a user's own default style stays the default."""
        import psycopg
        from psycopg import sql

        try:
            with self._connection.transaction():
                self._make_styles()
                own = (self._connection.info.dbname, self._address.schema, self._address.table, GEOMETRY)
                of = "f_table_catalog = %s AND f_table_schema = %s AND f_table_name = %s AND f_geometry_column = %s"
                self._connection.execute(sql.SQL(f"DELETE FROM {_STYLES} WHERE {of} AND stylename = %s"), (*own, _STYLE))
                self._connection.execute(
                    sql.SQL(
                        f"INSERT INTO {_STYLES} (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, stylename, styleqml, "
                        "useasdefault, description, owner) VALUES (%s, %s, %s, %s, %s, XMLPARSE(DOCUMENT %s::text), "
                        f"NOT EXISTS (SELECT 1 FROM {_STYLES} WHERE {of} AND useasdefault), 'Colours of the classes', current_user)"
                    ),
                    (*own, _STYLE, qgis_style(self._content), *own),
                )
        except psycopg.Error as error:
            why = str(error.diag.message_primary or error)
            note(f"{self._address.name} has no style, because {_STYLES} could not be written ({why}); a .qml file holds the same colours")

    def _make_styles(self) -> None:
        """Make QGIS's table of styles as QGIS itself does, where the database has none."""
        found = self._connection.execute("SELECT to_regclass(%s)", (_STYLES,)).fetchone()
        if found is None or found[0] is None:
            self._connection.execute(
                f"CREATE TABLE {_STYLES} (id serial PRIMARY KEY, f_table_catalog varchar, f_table_schema varchar, f_table_name varchar, "
                "f_geometry_column varchar, stylename text, styleqml xml, stylesld xml, useasdefault boolean, description text, "
                "owner varchar(63) DEFAULT current_user, ui xml, update_time timestamp DEFAULT current_timestamp, type varchar)"
            )


def _refuse_taken(connection: psycopg.Connection, address: TableAddress, overwrite: bool) -> None:
    """Raise ExportError where no table can be made under a name: the schema is missing or not the user's, or something has the name."""
    schema = connection.execute(
        "SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = %s", (address.schema,)
    ).fetchone()
    if schema is None or not schema[0]:
        name, user = address.schema, connection.info.user
        found = f"no schema {name} in database {connection.info.dbname}" if schema is None else f"user {user} may make no table in {name}"
        cure = f'CREATE SCHEMA "{name}"' if schema is None else f'GRANT CREATE ON SCHEMA "{name}" TO "{user}"'
        expected = "a schema that the user may write to"
        raise ExportError(found, expected=expected, do=f"Name another one, or have its owner run {cure}")
    taken = connection.execute(
        "SELECT relkind, obj_description(pg_class.oid, 'pg_class'), pg_has_role(relowner, 'USAGE') FROM pg_class "
        "JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = %s AND relname = %s",
        (address.schema, address.table),
    ).fetchone()
    if taken is None:
        return
    kind, comment, mine = taken
    if not overwrite:
        raise ExportError(f"{address.name} is there already", expected="a free name", do="Name another table, or add --overwrite")
    if kind not in ("r", b"r") or not str(comment or "").startswith(_OURS) or not mine:
        raise ExportError(
            f"{address.name} is not a table that this user wrote with Groundline",
            expected="a free name, or such a table",
            do="Name another table, or drop this one yourself",
        )


def _type_of(values: pd.Series) -> str:
    wide = values.dtype.kind in "iu" and values.dtype.itemsize > 4
    return "bigint" if wide else _TYPES.get(values.dtype.kind, "text")


def _as_csv(part: Content, srid: int, *, multi: bool) -> bytes:
    """A batch as the CSV that COPY reads: an empty text in quotes, what is not known without."""
    import pyarrow as pa
    from pyarrow import csv

    geometry = part.geometry
    if multi:
        single = shapely.get_type_id(geometry) < int(shapely.GeometryType.MULTIPOINT)
        geometry = geometry.copy()
        make = shapely.multilinestrings if part.lines else shapely.multipolygons
        geometry[single] = make(geometry[single][:, None])
    outlines = shapely.to_wkb(shapely.set_srid(geometry, srid), hex=True, include_srid=True)
    table = pa.Table.from_pandas(part.fields, preserve_index=False).append_column(GEOMETRY, pa.array(outlines, pa.string()))
    text = io.BytesIO()
    csv.write_csv(table, text, csv.WriteOptions(include_header=False))
    return text.getvalue()


def _unwrapped(found: np.ndarray, meant: np.ndarray) -> np.ndarray:
    """Outlines of one part as those, where a table with others keeps them as several."""
    alone = (shapely.get_type_id(found) != shapely.get_type_id(meant)) & (shapely.get_num_geometries(found) == 1)
    return np.where(alone, shapely.get_geometry(found, 0), found)
