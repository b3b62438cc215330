"""Whole stores: who works in them, their sets by address, their union, and what is set aside."""
