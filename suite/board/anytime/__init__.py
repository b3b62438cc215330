"""Accuracy over time and over sizes: the tables of several budgets, or of several sizes, taken together."""
