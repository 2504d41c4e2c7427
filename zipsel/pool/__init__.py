"""Which files there are: formats, finding, description, fingerprints."""
