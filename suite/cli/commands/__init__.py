"""The commands of `ratbench`: each reads its options, and calls what does the work."""
