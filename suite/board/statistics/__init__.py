"""Intervals, differences and the scores made of them."""
