"""One evaluator a file; the file's name is the evaluator's name."""
