"""Rasters of any kind as scenes, read by window so that memory is bounded by the window."""
