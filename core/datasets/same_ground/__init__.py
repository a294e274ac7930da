"""Images of different groups that show the same ground."""
