"""What a subset is worth to held-out examples."""
