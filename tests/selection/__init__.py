"""Choosing: what is left out, what is taken, and in what parts."""
