"""The loop over the outer steps of cells that have outer steps, and their cost."""
