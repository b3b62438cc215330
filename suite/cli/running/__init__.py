"""Running a grid from the command line: checks, progress, time limits, costs, tuning."""
