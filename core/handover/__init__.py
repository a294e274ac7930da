"""A result as a folder to hand over: a project for QGIS, files for a GIS and for the web, and what says how it was made."""
