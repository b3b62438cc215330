"""Printed figures and the cells that repeat them, for `ratbench atlas` and `ratbench reproduce`."""
