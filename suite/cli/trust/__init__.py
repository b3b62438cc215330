"""What the command line tells of the trust in records: audits, repeated evaluations, signatures."""
