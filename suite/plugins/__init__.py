"""Methods, evaluators and other plug-ins: found, configured, and checked against their contract."""
