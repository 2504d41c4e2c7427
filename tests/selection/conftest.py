"""Selections on a made-up pool of four topics, in this process."""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import write_jsonl

from zipsel.commands.select import run_select
from zipsel.console.messages import Log
from zipsel.readers.reading import Reading, TextSpec
from zipsel.scorers.fit import FitSettings
from zipsel.scoring.run import Run
from zipsel.scoring.settings import RunSettings
from zipsel.selection.budgets import Budget
from zipsel.selection.covering import CoverRun
from zipsel.selection.leak_search import LeakSearch
from zipsel.selection.settings import SelectSettings

TOPICS = ("cooking", "sailing", "chess", "opera")
COMMON = "the of and to in is that for with as it was on are by this".split()


def make_topic(topic, n_words, seed):
    """Words of a topic's own, among some that all topics use."""
    generator = random.Random(f"{topic} {seed}")
    own = [f"{topic[:3]}{'aeiou'[i % 5]}{i:02d}" for i in range(80)]
    return " ".join(
        generator.choice(own if generator.random() < 0.6 else COMMON) for _ in range(n_words)
    )


def make_topic_records(n_records, seed=0, topics=TOPICS):
    generator = random.Random(seed)
    return [
        {
            "id": i,
            "text": make_topic(topics[i % len(topics)], generator.randint(20, 120), f"{seed} {i}"),
            "topic": topics[i % len(topics)],
        }
        for i in range(n_records)
    ]


class InProcess:
    """An engine that runs each task here and now, and remembers what it ran."""

    n_workers = 1

    def __init__(self):
        self.ran = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def start(self):
        pass

    def check_paths(self, work_dir, paths, few=()):
        pass

    def run(self, function, tasks):
        for task in tasks:
            self.ran.append(function.__name__)
            yield task, function(task)

    def close(self):
        pass


@dataclass
class Chosen:
    """What a selection wrote."""

    rows: list[dict[str, Any]]
    report: Any
    leaks: list[dict[str, Any]]
    ran: list[str]

    @property
    def ids(self):
        return [row["id"] for row in self.rows]

    @property
    def n_bytes(self):
        return sum(len(row["text"].encode()) for row in self.rows)


def cover_run(cover, stream, chooser, fetch):
    """A choice by ``cover`` of a budget in one part, which looks for no leaks."""
    leaks = LeakSearch(None, TextSpec())
    return CoverRun(cover, stream, np.ones(1), chooser, fetch, leaks, Log(quiet=True))


@pytest.fixture
def topic_pool(tmp_path):
    """240 records of four topics in two shards."""
    made = make_topic_records(240)
    write_jsonl(tmp_path / "topics" / "a.jsonl", made[:150])
    write_jsonl(tmp_path / "topics" / "b.jsonl", made[150:])
    return tmp_path / "topics"


@pytest.fixture
def topic_target(tmp_path):
    """24 examples of two of the topics."""
    made = make_topic_records(24, seed=99, topics=TOPICS[:2])
    return write_jsonl(tmp_path / "topics.jsonl", made)


@pytest.fixture
def choose(tmp_path, topic_pool, topic_target):
    """Run a selection; scores are kept for the next one."""

    def run(budget, *, pool=topic_pool, target=(topic_target,), fit=None, group=None, **options):
        if "contenders" in options:  # which only a cascade has
            fit = {"scorer": "fused", **(fit or {})}
        output = tmp_path / "out" / "subset.jsonl"
        output.parent.mkdir(exist_ok=True)
        settings = RunSettings(
            pool=(str(pool),),
            target=tuple(map(str, target)),
            reading=Reading(group_field=group),
            fit=FitSettings(**(fit or {})),
            work_dir=str(tmp_path / "work"),
        )
        engine = InProcess()
        select = SelectSettings(budget=Budget(*budget), output=str(output), **options)
        report = run_select(Run(settings, Log(quiet=True)), select, engine)
        beside = Path(f"{output}.zipsel")
        read = [
            [json.loads(line) for line in path.read_bytes().splitlines()]
            for path in (output, beside / "leaks.jsonl")
        ]
        return Chosen(read[0], report, read[1], engine.ran)

    return run
