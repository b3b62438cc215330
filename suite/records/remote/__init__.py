"""Stores on object stores: a local copy for all work, and the code that keeps both equal."""
