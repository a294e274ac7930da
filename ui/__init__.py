"""The dashboard: a shell that all pages share, and a folder for each page."""
