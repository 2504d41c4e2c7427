"""Subset, scores and manifest: whole files or none."""
