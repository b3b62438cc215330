"""Evaluations of a store that are repeated on this machine, and compared with what their records say."""
