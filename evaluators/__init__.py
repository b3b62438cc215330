"""Evaluators: one per file, whose name is the evaluator's; imported as `suite.plugins.evaluators`."""
