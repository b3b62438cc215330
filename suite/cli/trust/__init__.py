"""What the command line prints about audits and repeated evaluations."""
