"""Opens a project in QGIS itself and tells, as JSON, what it found; run by the Python that has `qgis`, without a screen.

python qgis_client.py PROJECT OUT   writes OUT/map.png, as the canvas would show it, and OUT/layout.png, the map to print
"""

import json
import os
import sys

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsLayerNotesUtils,
    QgsLayoutExporter,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsUnitTypes,
)
from qgis.PyQt.QtCore import QSize


def main(path, out):
    application = QgsApplication([], False)
    application.initQgis()
    project = QgsProject.instance()
    told = {"version": Qgis.QGIS_VERSION, "read": project.read(path), "title": project.title(), "crs": project.crs().authid()}
    tree = project.layerTreeRoot()
    told["groups"] = [group.name() for group in tree.findGroups()]
    told["layers"] = {layer.layer().name() if layer.layer() else layer.name(): about(layer) for layer in tree.findLayers()}
    told["extent"] = project.viewSettings().defaultViewExtent().toString(1)
    shown = [layer.layer() for layer in tree.findLayers() if layer.isVisible()]
    settings = QgsMapSettings()
    settings.setLayers(shown)
    settings.setDestinationCrs(project.crs())
    settings.setExtent(project.viewSettings().defaultViewExtent())
    settings.setOutputSize(QSize(600, 600))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    told["errors"] = [error.message for error in job.errors()]
    job.renderedImage().save(os.path.join(out, "map.png"))
    layouts = project.layoutManager().printLayouts()
    told["layouts"] = [layout.name() for layout in layouts]
    options = QgsLayoutExporter.ImageExportSettings()
    options.dpi = 100
    told["printed"] = [QgsLayoutExporter(one).exportToImage(os.path.join(out, "layout.png"), options) for one in layouts]
    bar = layouts[0].itemById("Scale bar") if layouts else None
    told["bar"] = None if bar is None else [bar.unitsPerSegment(), QgsUnitTypes.toString(bar.units()), bar.sizeWithUnits().width()]
    print(json.dumps(told))
    project.clear()
    application.exitQgis()


def about(node):
    """What one layer is: valid or not, seen or not, where from, and the entries of its legend."""
    layer = node.layer()
    if layer is None:
        return {"valid": False}
    legend = [entry.label() for entry in layer.renderer().legendSymbolItems()] if hasattr(layer.renderer(), "legendSymbolItems") else []
    return {
        "valid": layer.isValid(),
        "shown": node.isVisible(),
        "crs": layer.crs().authid(),
        "kind": layer.renderer().type() if layer.renderer() else None,
        "legend": legend,
        "features": layer.featureCount() if hasattr(layer, "featureCount") else None,
        "note": QgsLayerNotesUtils.layerNotes(layer),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
