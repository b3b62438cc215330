"""Choosing settings on the holdout, by one rule for all methods: `ratbench tune`."""
