"""Groundline's library: scenes, data sets, networks, predictions, vectors and jobs. It never imports streamlit."""

__version__ = "0.1.0"
