"""What `scripts/bench.py` is made of; each module's docstring says which part."""
