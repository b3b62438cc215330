"""What the command line prints about whole stores: their sets, what runs in them, and comparisons."""
