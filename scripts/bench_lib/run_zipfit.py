"""The package `zip-fit` as its users run it: run_zipfit.py POOL TARGET CODEC LEVEL K OUTPUT."""

import sys

from zip_fit import ZIPFIT

if __name__ == "__main__":
    pool, target, codec, level, k, output = sys.argv[1:]
    ZIPFIT(
        pool,
        target,
        int(k),
        output_file=output,
        compression_algorithm=codec,
        compress_level=int(level),
    ).run()
