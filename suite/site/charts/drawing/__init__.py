"""What charts are drawn with: axes, marks, places of names, and lines to choose from."""
