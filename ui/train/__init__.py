"""The forms of the Train page."""
