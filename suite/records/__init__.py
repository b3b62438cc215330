"""What was asked for and what was measured, as JSON on disk; needs neither torch nor ray."""
