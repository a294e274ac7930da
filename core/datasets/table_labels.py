"""Labels in a table of PostGIS: fetched into a GeoPackage, so that a data set stays what it was while the table goes on changing."""

from __future__ import annotations

import hashlib
import os
import uuid
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError

from core.errors import MaskError
from core.files import folder_beside, temporary_place
from core.progress import OnProgress, ShouldStop, check, report
from core.reading.postgis import TableAddress, connected, extension_schema
from core.words import listed

if TYPE_CHECKING:
    import pandas as pd
    import psycopg

FETCHED_VARIABLE = "GROUNDLINE_FETCHED"
_BATCH = 20_000
"""Features that are on their way at once."""
_KINDS = {
    **dict.fromkeys(("int2", "int4", "int8"), ("bigint", "Int64")),
    **dict.fromkeys(("float4", "float8", "numeric"), ("double precision", "float64")),
    "bool": ("boolean", "boolean"),
}
"""What columns are fetched as, and kept as; all others as text."""
_OWN_NAMES = {"FID": "groundline_row", "GEOMETRY_NAME": "groundline_outline"}
"""Columns that a GeoPackage adds, under names that no table has."""


@dataclass(frozen=True)
class _Source:
    """What is known of a table before it is read: its columns with their types, outlines, key and CRS."""

    columns: dict[str, str]
    outline: str
    key: tuple[str, ...]
    crs: CRS | None


def fetch_labels(
    address: TableAddress, folder: Path | None = None, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None
) -> Path:
    """Fetch a table or view of PostGIS with all its columns as `NAME.gpkg` and return the path.

    The file lies in `folder`, where an older one is replaced, or in a folder for temporary files in which the same content is the same
    file each time. Curves become lines of many points, heights go. Raises MaskError when the table is not there, cannot be read, has no
    geometry, or several SRIDs.
    """
    name = "".join(letter if letter.isalnum() or letter in "_-. " else "_" for letter in address.table).strip(" .") or "table"
    own = temporary_place(FETCHED_VARIABLE)
    with connected(address, MaskError) as connection, folder_beside((folder or own) / name) as place:
        extension = extension_schema(connection, address, MaskError)
        source = _look(connection, address, extension)
        made, digest, done = place / f"{name}.gpkg", hashlib.sha256(repr((address.name, source)).encode()), 0
        for frame in _rows(connection, address, extension, source):
            check(should_stop)
            _append(frame, source.crs, made, name, more=done > 0)
            for column in frame:
                values = shapely.to_wkb(frame[column].to_numpy()) if column == source.outline else frame[column].astype(object).to_numpy()
                digest.update(repr(values.tolist()).encode("utf-8", "surrogatepass"))
            report(on_progress, done := done + len(frame), 0, f"Fetching {address.name}")
        target = (folder or own / digest.hexdigest()[:16]) / made.name
        if folder is not None or not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(made, target)
    return target


def _look(connection: psycopg.Connection, address: TableAddress, extension: str) -> _Source:
    from psycopg import sql

    rows = connection.execute(
        "SELECT attname, typname FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid WHERE attnum > 0 AND NOT attisdropped AND "
        "attrelid = (SELECT pg_class.oid FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = %s AND "
        "relname = %s) ORDER BY attnum",
        (address.schema, address.table),
    ).fetchall()
    columns = {str(column): str(kind) for column, kind in rows}
    outlines = [column for column, kind in columns.items() if kind in ("geometry", "geography")]
    if not outlines:
        database = connection.info.dbname
        raise MaskError(
            f"{address.name} has no column of type geometry ({listed(list(columns))})" if columns else f"no {address.name} in {database}",
            expected="a table or view of polygons, lines or points that this user may see",
            do="Check the names of schema and table",
        )
    key = connection.execute(
        "SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey) "
        "JOIN pg_class ON pg_class.oid = indrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace "
        "WHERE indisprimary AND nspname = %s AND relname = %s ORDER BY array_position(indkey, attnum)",
        (address.schema, address.table),
    ).fetchall()
    statement = sql.SQL("SELECT DISTINCT {0}.ST_SRID({1}::{0}.geometry) FROM {2} WHERE {1} IS NOT NULL LIMIT 3")
    place = sql.Identifier(address.schema, address.table)
    srids = connection.execute(statement.format(sql.Identifier(extension), sql.Identifier(outlines[0]), place)).fetchall()
    if len(srids) > 1:
        raise MaskError(
            f"{address.name} with several SRIDs ({listed([str(srid) for (srid,) in srids])})",
            expected="one for all features",
            do="Name a view that brings them into one, with ST_Transform",
        )
    crs = _crs_of(connection, address, extension, srids[0][0]) if srids else None
    plain = {column: kind for column, kind in columns.items() if kind not in ("geometry", "geography")}
    return _Source(plain, outlines[0], tuple(str(column) for (column,) in key), crs)


def _crs_of(connection: psycopg.Connection, address: TableAddress, extension: str, srid: int) -> CRS | None:
    """The CRS of an SRID, None for 0."""
    from psycopg import sql

    if srid == 0:
        return None
    statement = sql.SQL("SELECT auth_name, auth_srid, srtext FROM {}.spatial_ref_sys WHERE srid = %s")
    found = connection.execute(statement.format(sql.Identifier(extension)), (srid,)).fetchone()
    try:
        if found is None:
            raise CRSError("no such row")
        return CRS.from_authority(found[0], found[1]) if found[0] else CRS.from_wkt(found[2])
    except CRSError as error:
        raise MaskError(
            f"{address.name} has SRID {srid}, which is no known CRS ({error})",
            expected="one that spatial_ref_sys describes",
            do="Mend its SRID with UpdateGeometrySRID",
        ) from error


def _rows(connection: psycopg.Connection, address: TableAddress, extension: str, source: _Source) -> Iterator[pd.DataFrame]:
    """The table in batches, in the order of its key where it has one; a table without rows is one empty batch."""
    import pandas as pd
    from psycopg import sql

    wanted = [
        sql.SQL("{}::{}").format(sql.Identifier(column), sql.SQL(_KINDS.get(kind, ("text", ""))[0]))
        for column, kind in source.columns.items()
    ]
    outline = sql.SQL("{0}.ST_AsBinary({0}.ST_Force2D({0}.ST_CurveToLine({1}::{0}.geometry)))").format(
        sql.Identifier(extension), sql.Identifier(source.outline)
    )
    order = sql.SQL(" ORDER BY {}").format(sql.SQL(", ").join(map(sql.Identifier, source.key))) if source.key else sql.SQL("")
    statement = sql.SQL("SELECT {} FROM {}{}").format(
        sql.SQL(", ").join([*wanted, outline]), sql.Identifier(address.schema, address.table), order
    )
    first = True
    with connection.cursor("groundline", binary=True) as cursor:
        cursor.execute(statement)
        while (rows := cursor.fetchmany(_BATCH)) or first:
            first = False
            values: list[Any] = list(zip(*rows, strict=True)) or [()] * (len(source.columns) + 1)
            frame = pd.DataFrame(
                {
                    column: pd.array(values[k], dtype=_KINDS.get(kind, ("", "object"))[1])
                    for k, (column, kind) in enumerate(source.columns.items())
                }
            )
            frame[source.outline] = shapely.from_wkb(np.array(values[-1], object))
            yield frame


def _append(frame: pd.DataFrame, crs: CRS | None, path: Path, layer: str, *, more: bool) -> None:
    import geopandas as gpd
    import pyogrio

    # A GeoPackage takes Class and class for the same.
    seen: set[str] = set()
    names = {}
    for column in frame:
        twice = str(column).lower() in seen
        names[column] = f"{column}_{uuid.uuid5(uuid.NAMESPACE_OID, str(column)).hex[:4]}" if twice else column
        seen.add(str(names[column]).lower())
    renamed = frame.rename(columns=names)
    features = gpd.GeoDataFrame(renamed, geometry=renamed.columns[-1], crs=crs)
    options = {} if more else {"layer_options": _OWN_NAMES}
    with warnings.catch_warnings():
        # A table without CRS is meant to be one.
        warnings.filterwarnings("ignore", message=".*crs.*was not provided.*")
        pyogrio.write_dataframe(features, path, layer=layer, driver="GPKG", geometry_type="Unknown", append=more, **options)
