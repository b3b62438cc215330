"""Networks by name, as pure functions of one flat parameter vector."""
