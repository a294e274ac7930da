"""A prediction on disk: its rasters, and what is made of them."""
