"""Distilled sets: what they are, how they are stored, their subsets."""
