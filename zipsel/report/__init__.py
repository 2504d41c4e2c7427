"""What a run did, as numbers, and the same for people."""
