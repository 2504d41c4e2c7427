"""Templates are kept compiled, and are never older than what stands in their files."""

import shutil
import sys

import pytest

from zipsel.report import html


@pytest.fixture
def templates(tmp_path, monkeypatch):
    """A copy of the templates, for new environments to use."""
    folder = shutil.copytree(
        html._TEMPLATES, tmp_path / "templates", ignore=shutil.ignore_patterns("__pycache__")
    )
    (folder / "hello.j2").write_text("Hello")
    monkeypatch.setattr(html, "_TEMPLATES", folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    yield folder
    html.environment.cache_clear()


def render():
    """As a new process would."""
    html.environment.cache_clear()
    return html.environment().get_template("hello.j2").render()


def test_a_template_that_changes_is_compiled_again(templates):
    assert render() == "Hello"
    assert len(list((templates / "__pycache__").iterdir())) == 1
    assert render() == "Hello"
    (templates / "hello.j2").write_text("Good-bye")
    assert render() == "Good-bye"
    assert len(list((templates / "__pycache__").iterdir())) == 1


def test_where_nothing_can_be_kept_templates_work_all_the_same(templates):
    (templates / "__pycache__").symlink_to("missing")
    assert render() == "Hello"


def test_nothing_is_kept_where_python_keeps_no_modules(templates, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert render() == "Hello"
    assert not (templates / "__pycache__").exists()
