"""Distilled sets from and for other software."""
