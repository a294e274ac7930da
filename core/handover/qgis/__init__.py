"""Projects for QGIS, made without QGIS: layers with their looks and notes, and a map to print."""
