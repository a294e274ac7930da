"""Opens a served layer and served tiles in QGIS itself and tells, as JSON, what it found; run by the Python that has `qgis`.

python opened_by_qgis.py ADDRESS LAYER TILES PICTURE   writes PICTURE, 400 x 400 pixels of the tiles around the layer
"""

import json
import os
import sys

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize


def main(address, layer_id, tiles_id, picture):
    application = QgsApplication([], False)
    application.initQgis()
    layer = QgsVectorLayer(f"url='{address}' typename='{layer_id}' pageSize='3'", "layer", "OAPIF")
    grid = f"{address}/collections/{tiles_id}/tiles/WebMercatorQuad/%7Bz%7D/%7By%7D/%7Bx%7D?f%3Dpng"
    tiles = QgsRasterLayer(f"type=xyz&url={grid}&zmin=0&zmax=21", "tiles", "wms")
    names = [feature["class_name"] for feature in layer.getFeatures()]
    # The lake's middle is at 32.5 m, 25 m from the corner of the scene.
    utm = QgsCoordinateTransform(QgsCoordinateReferenceSystem("EPSG:32640"), tiles.crs(), QgsProject.instance())
    around = utm.transformBoundingBox(QgsRectangle(325012.5, 2785955, 325052.5, 2785995))
    settings = QgsMapSettings()
    settings.setLayers([tiles])
    settings.setDestinationCrs(tiles.crs())
    settings.setExtent(around)
    settings.setOutputSize(QSize(400, 400))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save(picture)
    told = {
        "valid": [layer.isValid(), tiles.isValid()],
        "features": layer.featureCount(),
        "names": [name if isinstance(name, str) else None for name in names],
        "errors": [error.message for error in job.errors()],
    }
    print(json.dumps(told), flush=True)
    os._exit(0)  # QGIS 3.22 falls over its own threads when it ends


main(*sys.argv[1:])
