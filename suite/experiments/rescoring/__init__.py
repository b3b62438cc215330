"""Repeats evaluations of a store on this machine, and compares them with their records."""
