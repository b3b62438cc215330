"""The commands that tell whether records can be believed, and who vouches for them."""
