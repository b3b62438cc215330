"""Tasks: the files they come from, how they are read, preprocessed, cached and corrupted."""
