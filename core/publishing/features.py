"""Layers of GeoPackages as pygeoapi asks for them: read by GDAL in pages of bounded length, never as a whole, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyogrio
import shapely
from pygeoapi.provider.base import (
    BaseProvider,
    ProviderConnectionError,
    ProviderInvalidQueryError,
    ProviderItemNotFoundError,
)
from pyproj import CRS

from core.projecting import moved
from core.publishing.coordinates import crs_by, northing_first, turned, turned_box
from core.vector.formats.content import LONLAT_DECIMALS

_KINDS = {"b": "boolean", "i": "integer", "u": "integer", "f": "number"}
_LONGEST_NUMBER = 18
"""Digits of a number in an address; longer ones are none of a file's, which has 64 bits for them."""
_FAR = 2**31 - 1


class LayerFeatures(BaseProvider):
    """One layer of a GeoPackage. pygeoapi makes one for each request, so that a file which was replaced is read anew."""

    def __init__(self, provider_def: dict[str, Any]):
        super().__init__(provider_def)
        self._path = Path(self.data)
        self._layer: str = provider_def["layer"]
        self._crs = CRS.from_user_input(provider_def["crs_wkt"])
        self._storage = crs_by(provider_def["storage_crs"])
        try:
            self._info = pyogrio.read_info(self._path, layer=self._layer, force_feature_count=True)
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
            raise ProviderConnectionError("The file of this layer is no longer there.") from error
        self.get_fields()

    def get_fields(self) -> dict[str, dict[str, str]]:
        """The fields by their names, with their types in the words of JSON Schema."""
        kinds = (np.dtype(kind).kind if kind != "object" else "O" for kind in map(str, self._info["dtypes"]))
        self._fields = {str(name): {"type": _KINDS.get(kind, "string")} for name, kind in zip(self._info["fields"], kinds, strict=True)}
        return self._fields

    def query(
        self,
        offset: int = 0,
        limit: int = 10,
        resulttype: str = "results",
        bbox: Sequence[float] = (),
        properties: Iterable[tuple[str, str]] = (),
        sortby: Sequence[Any] = (),
        select_properties: Sequence[str] = (),
        skip_geometry: bool = False,
        crs_transform_spec: Any = None,
        q: str | None = None,
        filterq: Any = None,
        **_: Any,
    ) -> dict[str, Any]:
        """A page of the features whose outlines meet `bbox` (x, y, x, y, in the storage CRS) and whose fields have the values asked for.

        Raises ProviderInvalidQueryError for what is not offered: sorting, free texts and CQL.
        """
        for asked, words in ((sortby, "Sorting"), (q, "Searching by a word"), (filterq, "A filter in CQL")):
            if asked:
                raise ProviderInvalidQueryError(user_msg=f"{words} is not offered. Ask by bbox, and by fields as name=value.")
        chosen = {"layer": self._layer, "bbox": self._box(bbox), "where": self._where(properties)}
        count = self._info["features"]
        if chosen["bbox"] is not None or chosen["where"] is not None:
            count = len(pyogrio.read_bounds(self._path, **chosen)[0])
        features: list[dict[str, Any]] = []
        if resulttype != "hits" and offset < count:
            page = {"skip_features": min(offset, _FAR), "max_features": limit, "columns": list(select_properties) or None}
            features = self._read(crs_transform_spec, skip_geometry, **chosen, **page)
        return {"type": "FeatureCollection", "features": features, "numberMatched": count, "numberReturned": len(features)}

    def get(self, identifier: str, crs_transform_spec: Any = None, **_: Any) -> dict[str, Any]:
        """One feature by its number in the file. Raises ProviderItemNotFoundError where there is none."""
        text = str(identifier)
        found = []
        if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER:
            try:
                found = self._read(crs_transform_spec, False, layer=self._layer, fids=[int(text)])
            except (pyogrio.errors.FeatureError, IndexError, ValueError):
                found = []
        if not found:
            raise ProviderItemNotFoundError(user_msg="There is no feature of that number.")
        return found[0]

    def get_schema(self, schema_type: Any = None) -> tuple[str, dict[str, Any]]:
        """The layer's fields as a schema of JSON."""
        geometry = {"$ref": "https://geojson.org/schema/Geometry.json"}
        properties = {"type": "object", "properties": self._fields}
        return "application/geo+json", {"type": "object", "properties": {"geometry": geometry, "properties": properties}}

    def _box(self, bbox: Sequence[float]) -> tuple[float, ...] | None:
        """A box that was asked for as GDAL wants it, x before y; None for none."""
        if not bbox:
            return None
        west, south, east, north = bbox if len(bbox) == 4 else (bbox[0], bbox[1], bbox[3], bbox[4])
        return turned_box((west, south, east, north)) if northing_first(self._storage) else (west, south, east, north)

    def _where(self, properties: Iterable[tuple[str, str]]) -> str | None:
        """The condition of GDAL for values of fields; None for no condition. Raises ProviderInvalidQueryError for a word as a number."""
        parts = []
        for name, value in properties:
            kind = self._fields[name]["type"]
            field = '"' + name.replace('"', '""') + '"'
            if kind == "string":
                parts.append(f"{field} = '" + value.replace("'", "''") + "'")
            else:
                parts.append(f"{field} = {_number(name, value, kind)}")
        return " AND ".join(parts) or None

    def _read(self, spec: Any, bare: bool, **chosen: Any) -> list[dict[str, Any]]:
        frame = pyogrio.read_dataframe(self._path, fid_as_index=True, read_geometry=not bare, **chosen)
        fields = pd.DataFrame(frame if bare else frame.drop(columns=frame.geometry.name))
        for name in fields.select_dtypes(include=["datetime", "datetimetz"]):
            fields[name] = fields[name].map(lambda moment: moment.isoformat(), na_action="ignore")
        values = fields.astype(object).where(fields.notna(), None).to_dict("records")
        outlines: list[Any] = [None] * len(frame)
        if not bare:
            target = self._storage if spec is None else CRS.from_wkt(spec.target_crs_wkt)
            geometry = moved(frame.geometry.to_numpy(), self._crs, target)
            if target.is_geographic:
                geometry = shapely.transform(geometry, lambda xy: xy.round(LONLAT_DECIMALS))
            geometry = turned(geometry) if northing_first(target) else geometry
            outlines = [None if shape is None else shapely.geometry.mapping(shape) for shape in geometry]
        return [
            {"type": "Feature", "id": int(number), "geometry": outline, "properties": {key: _plain(value) for key, value in row.items()}}
            for number, outline, row in zip(frame.index, outlines, values, strict=True)
        ]


def _number(name: str, value: str, kind: str) -> str:
    """A value of an address as a number of SQL."""
    text = value.strip().lower()
    if kind == "boolean" and text in ("true", "false"):
        return "1" if text == "true" else "0"
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not np.isfinite(number) or len(text) > 2 * _LONGEST_NUMBER:
        raise ProviderInvalidQueryError(user_msg=f"The field {name} holds numbers. Ask for one.")
    return str(int(number)) if number == int(number) else repr(number)


def _plain(value: Any) -> Any:
    """A value of a field for JSON."""
    return value.item() if isinstance(value, np.generic) else value.hex() if isinstance(value, bytes) else value
