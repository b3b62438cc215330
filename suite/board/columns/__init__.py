"""Columns of rows that are computed from several records: costs, and scores against references."""
