"""Distilled sets: tensors, parametrisations, artefacts, manifests and subsets."""
