"""How good a model is, what that number is worth, and where it fails."""
