"""The pages of a site beside its index: figures, methods, artefacts."""
