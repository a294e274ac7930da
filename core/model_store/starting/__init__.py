"""What a network starts from: published weights, downloaded or out of a package, files, other models."""
