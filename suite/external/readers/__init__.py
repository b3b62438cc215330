"""Readers of other software's file formats, run inside the sandbox."""
