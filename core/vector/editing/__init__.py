"""Layers corrected by hand: steps that can be undone, what they make of the layer, and a mask to train on."""
