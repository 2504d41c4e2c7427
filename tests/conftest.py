"""What tests share: derandomized Hypothesis, a pool and a target, the command as a process."""

import os
import subprocess
import sys

import pytest
from hypothesis import settings
from made_up import make_records, write_jsonl

settings.register_profile(
    "zipsel", derandomize=True, deadline=None, database=None, max_examples=60, print_blob=False
)
settings.load_profile("zipsel")


def pytest_addoption(parser):
    parser.addoption("--no-skips", action="store_true", help="let each skipped test fail")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """One worker has all tests of Ray, whose clusters are heavy.

    A hook and no mark: xdist 3.8 does not see groups under pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class OneForRay(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return "ray" if "test_ray" in nodeid else nodeid

    return OneForRay(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    return failed_if_skipped((yield), item.config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return failed_if_skipped((yield), collector.config)


def failed_if_skipped(report, config):
    """Where everything is installed that tests need, a skipped test is one that proves nothing."""
    if report.skipped and config.option.no_skips:
        report.outcome, report.longrepr = "failed", f"skipped: {report.longrepr[-1]}"
    return report


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Run a command of zipsel's in this process, in ``tmp_path``."""
    from zipsel.cli.group import cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZIPSEL_WORKERS", "1")

    def run(*arguments):
        return cli.main(list(map(str, arguments)), standalone_mode=False)

    return run


@pytest.fixture
def records():
    return make_records(60)


@pytest.fixture
def pool(tmp_path, records):
    """A directory of three shards of twenty records."""
    for i in range(3):
        write_jsonl(tmp_path / "pool" / f"part-{i}.jsonl", records[20 * i : 20 * (i + 1)])
    return tmp_path / "pool"


@pytest.fixture
def target(tmp_path):
    """Eight examples of code."""
    examples = [record for record in make_records(16, seed=1) if record["kind"] == "code"]
    return write_jsonl(tmp_path / "target.jsonl", examples)


@pytest.fixture
def zipsel_env():
    """The environment of a command: one worker, no settings of whoever runs the tests."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("ZIPSEL_")}
    return {**env, "ZIPSEL_WORKERS": "1", "PYTHONWARNINGS": "error"}


@pytest.fixture
def zipsel(tmp_path, zipsel_env):
    """Run the command line in ``tmp_path`` as a process; it must end with ``code``."""

    def run(*arguments, code=0, stdin=b"", env=None):
        process = subprocess.run(
            [sys.executable, "-m", "zipsel", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            env={**zipsel_env, **(env or {})},
            timeout=120,
            check=False,
        )
        assert process.returncode == code, process.stderr.decode()
        return process

    return run


@pytest.fixture
def select(zipsel, pool, target):
    """``zipsel select`` on the shared pool and target."""

    def run(*arguments, **options):
        return zipsel("select", pool, "--target", target, *arguments, **options)

    return run
