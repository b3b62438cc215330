"""Whether a store can be believed: every hash and link recomputed, figures compared with what they can be."""
