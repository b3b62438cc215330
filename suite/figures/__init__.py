"""Figures of studies, and pictures of distilled sets."""
