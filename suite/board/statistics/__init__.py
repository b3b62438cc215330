"""Intervals, differences and ranks."""
