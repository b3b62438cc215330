"""The command line `ratbench`: its commands and their output."""
