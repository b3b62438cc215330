"""The commands of `ratbench`: each reads its options and calls the code that does the work."""
