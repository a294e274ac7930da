"""Networks: how they are built, trained, described and kept."""
