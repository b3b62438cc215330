"""The command line: `ratbench`."""
