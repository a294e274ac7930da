"""Whole scenes through a network: engines, seamless blending, prediction rasters, scores."""
