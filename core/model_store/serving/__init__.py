"""SavedModels of other programs: their serving function, as a network of OpenVINO."""
