"""Writers of the formats of other software, and of the card that tells how to read them."""
