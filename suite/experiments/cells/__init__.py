"""How each kind of cell is done: a file for each."""
