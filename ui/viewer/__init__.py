"""The image viewer, and the tiles that it and the maps show."""
