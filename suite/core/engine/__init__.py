"""The meta-gradient: inner training, differentiated exactly through a window of its steps."""
