"""Layers for people: reports and maps to print."""
