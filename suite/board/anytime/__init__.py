"""Accuracy over time: the tables of several budgets in device-seconds, taken together."""
