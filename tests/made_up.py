"""Made-up records that are code or law, and JSONL files of them."""

import json
import random
from pathlib import Path

from zipsel.scorers.fit import FitSettings, fit_scorer
from zipsel.texts import TextBatch

_CODE = "def return self for in range len if else not None import class yield try raise".split()
_LAW = "the party shall hereby indemnify agreement of any breach liability under clause".split()


def make_text(kind, generator):
    words = generator.choices(_CODE if kind == "code" else _LAW, k=generator.randint(8, 60))
    return " ".join([*words, str(generator.randint(0, 10**6))])


def make_records(n_records, seed=0):
    """Records that are code or law, in turn, each text once."""
    generator = random.Random(seed)
    return [
        {"id": i, "text": make_text(kind, generator), "kind": kind}
        for i, kind in zip(range(n_records), ["code", "law"] * n_records, strict=False)
    ]


def write_jsonl(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(json.dumps(record).encode() + b"\n" for record in records))
    return path


def read_jsonl(path):
    return [json.loads(line) for line in Path(path).read_bytes().splitlines()]


def fit(scorer, target, sample=(), **options):
    """Fit a scorer on texts: a list of examples, or named ones.

    Args:
        scorer: Its name.
        target: Texts or encoded texts, or a dictionary of them.
        sample: Texts of the pool.
        **options: Fields of ``FitSettings``.
    """
    named = target if isinstance(target, dict) else {"": target}
    settings = FitSettings(scorer=scorer, **options)
    examples = {name: to_batch(texts) for name, texts in named.items()}
    return fit_scorer(settings, examples, to_batch(sample))


def to_batch(texts):
    if isinstance(texts, TextBatch):
        return texts
    return TextBatch.from_encoded([t if isinstance(t, bytes) else t.encode() for t in texts])
