"""Writers of the formats of other software, and of the card that says how to read them."""
