"""Files that others may have written."""
