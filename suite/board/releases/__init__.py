"""Releases of the board: frozen files with checksums, and what changed since the last one."""
