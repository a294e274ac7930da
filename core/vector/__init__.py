"""Class rasters into polygon layers: traced, simplified, measured, exported."""
