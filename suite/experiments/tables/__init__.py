"""Tables of a grid file that are the same for all rows, and changes by `--set`."""
