"""The exact meta-gradient: differentiate the inner loop through a window of its steps."""
