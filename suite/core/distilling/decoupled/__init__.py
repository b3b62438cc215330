"""Decoupled distillation: teachers are trained on train once, then images are recovered from them."""
