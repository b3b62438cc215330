"""A table of the leaderboard as Markdown: what is ranked, and what is folded below it."""
