"""Whole stores: who works in them, their sets by address, merging, and what is set aside."""
