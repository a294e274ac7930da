"""Seeded drawings that the sample data are made of."""
