"""Distilled sets from elsewhere, and for elsewhere."""
