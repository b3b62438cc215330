"""Tasks: catalogue, download, readers, preprocessing, cache and corruptions."""
