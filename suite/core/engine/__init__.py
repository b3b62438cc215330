"""The exact meta-gradient: differentiate inner training through a window of its steps."""
