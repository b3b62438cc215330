"""The command line `ratbench`: its commands, and what they print."""
