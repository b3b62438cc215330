"""What the command line tells of whole stores: their sets, what runs in them, and comparisons."""
