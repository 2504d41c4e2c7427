"""Helpers of `scripts/quality.py`: the peers, the two judges, the grid and its tables."""
