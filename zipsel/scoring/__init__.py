"""Pass one: fit, plan chunks, score them into sidecar parts, resume."""
