"""Whether a store can be believed: recomputes hashes and links, and compares figures with possible values."""
