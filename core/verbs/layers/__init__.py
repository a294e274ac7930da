"""What a user can do with the polygons of a prediction, one file each."""
