"""What methods and evaluators may import. Imports nothing else of the project."""
