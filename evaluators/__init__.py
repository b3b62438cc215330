"""Evaluators, one per file of the same name; imported as `suite.plugins.evaluators`."""
