"""Stores on object stores: a local copy in which all work is done, and what keeps both equal."""
