"""Images with labels: found in a folder, paired, and read as class ids."""
