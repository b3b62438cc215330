"""Networks trained from scratch under frozen recipes."""
