"""Right angles for buildings, without tearing the coverage."""
