"""What the tables of a site show: columns, and rows of text with the numbers behind it."""
