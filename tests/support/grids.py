"""Grids whose cells take seconds."""

TINY = """
title = "A grid for tests"
tasks = ["digits"]
ipc = [1]
seeds = [0]
network = "convnet-d1-w8-in"

[method.random_subset]

[method.rat_bptt]
steps = 4
unroll = 4
window = 2
real_batch = 32

[evaluator.retrain]
recipe = ["rat-bptt-1000"]
copies = 2
"""
QUICK = TINY.replace('["rat-bptt-1000"]', '"ncfm-40"').replace("copies = 2", "copies = 1")
