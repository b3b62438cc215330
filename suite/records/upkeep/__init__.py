"""Maintenance of a store: its facts, files set aside or left over, and which sets are undamaged."""
