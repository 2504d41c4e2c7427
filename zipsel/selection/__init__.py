"""From scored candidates to the chosen records."""
