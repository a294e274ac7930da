"""Tiles of map servers (XYZ, WMTS) and pictures of WMS, put together to one picture on the disk."""
