"""The loop over outer steps of all cells that have some, and what they spend."""
