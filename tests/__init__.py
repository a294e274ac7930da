"""The tests: a package, so that it comes before those of the same name that wheels of others lay into an environment (pygeoapi)."""
