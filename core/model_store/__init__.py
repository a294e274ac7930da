"""Models on disk: described, found, loaded, taken in from other programs."""
