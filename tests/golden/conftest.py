"""Real texts: functions and prose of the running Python's own standard library."""

import inspect
import pydoc_data.topics
import random
import statistics
import textwrap

import pytest


def _functions(module):
    functions = [f for _, f in inspect.getmembers(module, inspect.isfunction)]
    return [inspect.getsource(f) for f in functions if inspect.getmodule(f) is module]


@pytest.fixture(scope="session")
def real_pool():
    """120 texts, UTF-8, each once: prose, code, one of one byte, one that no codec can shorten."""
    prose = [text[:1500] for _, text in sorted(pydoc_data.topics.topics.items())]
    texts = [*prose[:80], *_functions(random)[:10], *_functions(textwrap), "x", "ümläut 漢字 " * 9]
    noise = random.Random(0)
    texts.append("".join(chr(noise.randrange(0x4E00, 0x9FFF)) for _ in range(400)))
    return list(dict.fromkeys(text.encode() for text in texts))[:120]


@pytest.fixture(scope="session")
def real_target():
    """Six functions with docstrings."""
    return [text[:2000].encode() for text in _functions(statistics)[:6]]
