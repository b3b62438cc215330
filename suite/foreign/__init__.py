"""Distilled sets that somebody else made: found, read in a child process, checked, prepared, written."""
