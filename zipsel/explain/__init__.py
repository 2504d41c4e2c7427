"""Why a text scores as it does, as the parts of its score see it."""
