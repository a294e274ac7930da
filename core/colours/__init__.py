"""What colours classes are shown in: by what their names mean, far from each other, seen on dark and on light ground."""
