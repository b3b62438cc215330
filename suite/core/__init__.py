"""The code that methods and evaluators may import; it imports no other part of the project."""
