"""Tasks: catalogue, reading, preprocessing, cache and corruptions."""
