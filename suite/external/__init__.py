"""Distilled sets from and for other software."""

from typing import Literal

Kind = Literal["probabilities", "weights", "logits", "centred", "centred-scaled"]
"""What learned labels are. probabilities: rows that sum to 1; weights: targets of any sum, 0 or above;
logits: softmax gives the targets; centred: targets minus 1 / classes, as KIP's; centred-scaled: those divided
by sqrt(classes / 10), as FRePo's. It stands here for the command line, which loads no torch for its help."""
