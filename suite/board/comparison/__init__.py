"""Two methods, or two stores, compared in pairs."""
