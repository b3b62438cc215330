"""What the tables of a site show: columns, and rows of text with their numbers."""
