"""Centre lines of roads and other long areas."""
