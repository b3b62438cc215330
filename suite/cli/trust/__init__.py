"""What the command line tells of audits and repeated evaluations."""
