"""Training runs on the Train page."""
