"""The work of each kind of cell, one file per kind."""
