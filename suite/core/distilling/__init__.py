"""Shared parts of methods: base classes, initial images, matching, meta-learning, experts."""
