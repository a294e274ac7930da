"""What a user can do to get pictures, one file each."""
