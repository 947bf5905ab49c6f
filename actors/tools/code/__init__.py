"""What changed: Git histories, read once for all of a repository's services."""
