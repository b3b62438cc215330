"""Tables of a grid file that are the same for all rows, and what `--set` changes of a file."""
