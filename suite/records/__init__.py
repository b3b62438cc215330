"""Cells, plans and records as JSON on disk; needs neither torch nor ray."""
