"""Overlapping patches into one picture without seams, in bounded memory."""
