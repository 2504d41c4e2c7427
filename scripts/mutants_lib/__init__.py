"""Parts of ``mutants.py``."""
