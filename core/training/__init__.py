"""Networks taught: epochs, losses, augmentation, checks before a run, and search."""
