"""Class rasters to polygons that share every border."""
