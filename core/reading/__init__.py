"""What others wrote: of which form it has to be, and what of a list cannot be read."""
