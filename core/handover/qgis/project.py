"""A project for QGIS (.qgz) made without QGIS: layers in groups with their looks and notes, by paths relative to it, and a map to print."""

from __future__ import annotations

import html
import math
import os
import re
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import rasterio
from pyproj import CRS
from rasterio.errors import NotGeoreferencedWarning

from core.classes import ClassScheme
from core.digests import digest_of
from core.files import replacing
from core.geo import GeoRef
from core.handover.qgis.layout import PageContent, layout
from core.handover.qgis.rasters import classes_renderer, confidence_renderer, scene_renderer
from core.scenes.opening import open_scene
from core.vector.formats.content import Content
from core.vector.formats.styles import DOCTYPE, qgis_renderer

VERSION = "3.22.0"
"""The QGIS whose form the file has: later ones read it as well, and this one without a warning."""
_NO_LETTER = re.compile(r"\W")
_POLYGONS, _RASTERS = "Polygons", "Rasters"


@dataclass(frozen=True)
class ProjectVectors:
    """A layer of a GeoPackage: its file, its name in there, the title it gets, and what it holds."""

    path: Path
    name: str
    title: str
    content: Content


@dataclass(frozen=True)
class ProjectRaster:
    """A raster file: the title it gets, what is said of it, how it looks, and whether it is shown from the start."""

    path: Path
    title: str
    note: str
    looks: ET.Element
    shown: bool


def classes_layer(path: Path, title: str, note: str, scheme: ClassScheme, order: Sequence[str]) -> ProjectRaster:
    """A raster of class ids, hidden at first: the polygons show the same."""
    return ProjectRaster(path, title, note, classes_renderer(scheme, list(order)), False)


def confidence_layer(path: Path, title: str, note: str) -> ProjectRaster:
    """A raster of confidences in bytes, hidden at first."""
    return ProjectRaster(path, title, note, confidence_renderer(), False)


def scene_layer(path: Path, title: str, note: str) -> ProjectRaster:
    """A picture, as the pages show it. Raises SceneError for a file that cannot be read."""
    scene = open_scene(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as opened:
            return ProjectRaster(path, title, note, scene_renderer(scene, opened), True)


@dataclass(frozen=True)
class ProjectGround:
    """Where a project lies: the reference of its rasters, and their height and width in pixels."""

    geo: GeoRef
    height: int
    width: int

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """(xmin, ymin, xmax, ymax) in the project's coordinates."""
        x, y = zip(*(self.geo.xy(row, column) for row in (0, self.height) for column in (0, self.width)), strict=True)
        return min(x), min(y), max(x), max(y)

    @property
    def metres(self) -> float | None:
        """Metres of one unit of x in the middle; None where coordinates are pixels, whatever is known of their size."""
        side = self.geo.pixel_size(self.height / 2, self.width / 2)
        transform = self.geo.transform
        return None if side is None or self.geo.crs is None else side[1] / math.hypot(transform.a, transform.d)


def write_project(
    path: str | os.PathLike,
    ground: ProjectGround,
    *,
    title: str,
    about: str,
    vectors: Sequence[ProjectVectors],
    rasters: Sequence[ProjectRaster],
    scene: ProjectRaster | None = None,
    attribution: str = "",
) -> Path:
    """Write the project: polygons in one group, rasters in another, the scene below both; nothing but the paths ties it to its files.

    Paths are relative to where the project lies in the end, and so to `path`. The same layers make the same bytes.
    """
    path = Path(path)
    project = _project(
        path.parent, ground, title=title, about=about, vectors=vectors, rasters=rasters, scene=scene, attribution=attribution
    )
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(f"{path.stem}.qgs"), DOCTYPE + ET.tostring(project, encoding="unicode"), zipfile.ZIP_DEFLATED)
    return path


def _project(
    folder: Path,
    ground: ProjectGround,
    *,
    title: str,
    about: str,
    vectors: Sequence[ProjectVectors],
    rasters: Sequence[ProjectRaster],
    scene: ProjectRaster | None,
    attribution: str,
) -> ET.Element:
    crs = ground.geo.crs
    root = ET.Element("qgis", version=VERSION, projectname=title)
    ET.SubElement(root, "homePath", path="")
    ET.SubElement(root, "title").text = title
    ET.SubElement(root, "projectCrs").append(_crs(crs))
    tree = ET.SubElement(root, "layer-tree-group")
    layers = ET.SubElement(root, "projectlayers")
    order = ET.SubElement(root, "layerorder")
    known: list[tuple[str, str]] = []
    groups: list[tuple[str, Sequence[ProjectVectors | ProjectRaster]]] = [(_POLYGONS, vectors), (_RASTERS, rasters)]
    for group, members in [*groups, ("", [scene] if scene is not None else [])]:
        inside = tree if not group else ET.SubElement(tree, "layer-tree-group", name=group, checked="Qt::Checked", expanded="1")
        for member in members:
            entry = _vector(member, folder, crs) if isinstance(member, ProjectVectors) else _raster(member, folder, crs)
            layers.append(entry)
            layer_id, source = entry.findtext("id", ""), entry.findtext("datasource", "")
            shown = isinstance(member, ProjectVectors) or member.shown
            provider = entry.findtext("provider", "")
            leaf = ET.SubElement(inside, "layer-tree-layer", id=layer_id, name=member.title, source=source, providerKey=provider)
            leaf.attrib |= {"checked": "Qt::Checked" if shown else "Qt::Unchecked", "expanded": "1" if group == _POLYGONS else "0"}
            ET.SubElement(order, "layer", id=layer_id)
            known += [(layer_id, member.title)] if isinstance(member, ProjectVectors) else []
    properties = ET.SubElement(root, "properties")
    ET.SubElement(ET.SubElement(properties, "Paths"), "Absolute", type="bool").text = "false"
    # Without this QGIS takes no notice of the project's CRS.
    enabled = str(int(crs is not None))
    ET.SubElement(ET.SubElement(properties, "SpatialRefSys"), "ProjectionsEnabled", type="int").text = enabled
    metadata = ET.SubElement(root, "projectMetadata")
    ET.SubElement(metadata, "title").text = title
    ET.SubElement(metadata, "abstract").text = about
    if attribution:
        ET.SubElement(metadata, "rights").text = attribution
    view = ET.SubElement(ET.SubElement(root, "ProjectViewSettings", UseProjectScales="0"), "DefaultViewExtent", _sides(ground.extent))
    view.append(_crs(crs))
    words = f"{attribution.rstrip('.')}. {about}" if attribution else about
    page = PageContent(title, ground.extent, tuple(known), words, ground.metres, ground.geo.georeferenced)
    ET.SubElement(root, "Layouts").append(layout(page))
    return root


def _vector(layer: ProjectVectors, folder: Path, crs: CRS | None) -> ET.Element:
    kind = "Line" if layer.content.lines else "Polygon"
    entry = _layer("vector", layer.title, f"{_relative(layer.path, folder)}|layername={layer.name}", crs, layer.content.about())
    entry.attrib |= {"geometry": kind, "simplifyDrawingHints": "1", "labelsEnabled": "0"}
    ET.SubElement(entry, "provider", encoding="UTF-8").text = "ogr"
    entry.append(qgis_renderer(layer.content))
    ET.SubElement(entry, "previewExpression").text = '"class_name" || \' \' || "id"'
    return entry


def _raster(layer: ProjectRaster, folder: Path, crs: CRS | None) -> ET.Element:
    entry = _layer("raster", layer.title, _relative(layer.path, folder), crs, layer.note)
    ET.SubElement(entry, "provider").text = "gdal"
    pipe = ET.SubElement(entry, "pipe")
    pipe.append(layer.looks)
    return entry


def _layer(kind: str, title: str, source: str, crs: CRS | None, note: str) -> ET.Element:
    """What entries of all layers begin with. The id is made of title and source, so that a project written again is the same."""
    entry = ET.Element("maplayer", type=kind, styleCategories="AllStyleCategories", hasScaleBasedVisibilityFlag="0", autoRefreshEnabled="0")
    ET.SubElement(entry, "id").text = f"{_NO_LETTER.sub('_', title)}_{digest_of(title, source)[:12]}"
    ET.SubElement(entry, "datasource").text = source
    ET.SubElement(entry, "layername").text = title
    ET.SubElement(entry, "srs").append(_crs(crs))
    metadata = ET.SubElement(entry, "resourceMetadata")
    ET.SubElement(metadata, "title").text = title
    ET.SubElement(metadata, "abstract").text = note
    options = ET.SubElement(ET.SubElement(entry, "customproperties"), "Option", type="Map")
    ET.SubElement(options, "Option", type="QString", name="userNotes", value=f"<p>{html.escape(note)}</p>")
    return entry


def _crs(crs: CRS | None) -> ET.Element:
    """A CRS by its code and its WKT; an empty one for coordinates without any."""
    told = ET.Element("spatialrefsys")
    ET.SubElement(told, "wkt").text = "" if crs is None else crs.to_wkt("WKT2_2019")
    code = None if crs is None else crs.to_authority()
    ET.SubElement(told, "authid").text = ":".join(code) if code else ""
    return told


def _relative(path: Path, folder: Path) -> str:
    """The path from the project's folder on, or the whole path where there is no way, as to another drive."""
    try:
        way = Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()
    except ValueError:
        return path.absolute().as_posix()
    return way if way.startswith("../") else f"./{way}"


def _sides(extent: tuple[float, float, float, float]) -> dict[str, str]:
    return {name: f"{value:.12g}" for name, value in zip(("xmin", "ymin", "xmax", "ymax"), extent, strict=True)}
