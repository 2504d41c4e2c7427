"""One shard → bounded batches of rows, and single rows again by their places."""
