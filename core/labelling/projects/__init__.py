"""Scenes that are being labelled in the dashboard: their steps on the disk, and an answer that follows the hand."""
