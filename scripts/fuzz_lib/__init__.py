"""What scripts/fuzz.py runs."""
