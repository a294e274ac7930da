"""Scenes of other machines: asked for by their address, read in parts or fetched whole."""
