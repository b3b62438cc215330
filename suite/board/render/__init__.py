"""A board as Markdown, CSV, JSON, for a terminal, and as plots."""
