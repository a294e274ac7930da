"""Finished layers and rasters by URL: OGC API Features and Tiles, for GIS programs and browsers."""
