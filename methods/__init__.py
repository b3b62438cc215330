"""Methods: one per file, whose name is the method's; imported as `suite.plugins.methods`."""
