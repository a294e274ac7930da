"""Mask files: how their pixels say a class, which classes they show, and where they lie."""
