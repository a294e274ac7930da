"""What networks eat: where patches lie, how they are split, and the store that holds them."""
