"""Layers as files that other programs open."""
