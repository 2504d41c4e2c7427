"""The package `data-selection` as its users run it: run_dsir.py POOL TARGET N_PROC K OUTPUT."""

import sys

from data_selection import HashedNgramDSIR

if __name__ == "__main__":
    pool, target, n_proc, k, output = sys.argv[1:]
    dsir = HashedNgramDSIR([pool], [target], cache_dir=f"{output}-cache", num_proc=int(n_proc))
    dsir.fit_importance_estimator(num_tokens_to_fit="auto")
    dsir.compute_importance_weights()
    dsir.resample(out_dir=output, num_to_sample=int(k), cache_dir=f"{output}-resampled")
