"""The command line's parts: what can be typed, how far the work is, and what is said at the end."""
