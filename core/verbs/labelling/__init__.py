"""What a user can do with painted strokes, one file each."""
