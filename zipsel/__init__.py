"""Choose language-model training data by compression.

zipsel streams a pool of JSONL or Parquet shards past a set of target examples and keeps what a
compressor that has seen the target finds cheapest: ZIP-FIT's idea (arXiv 2410.18194) with a
scorer that costs O(text) instead of O(text x targets). See README.md for the commands.
"""

__version__ = "0.1.0"
