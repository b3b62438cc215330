"""A grid that is tuned in seconds."""

TUNED = """
title = "A grid that is tuned"
tasks = ["digits"]
ipc = [1, 2]
seeds = [3, 4]
network = "convnet-d1-w8-in"

[method.random_subset]

[method.dm]
steps = 4
real_batch = 16

[method.pieces]
base = "rded"
ipc = [1]
epochs = 1
candidates = 20

[evaluator.retrain]
recipe = ["ncfm-40", "native"]
copies = 2
"""
"""A method without a space, one of steps with a continuous space, and one of one step with a finite space."""
