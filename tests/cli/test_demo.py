"""``zipsel demo``: what a newcomer runs first."""

import json


def test_the_demo_finds_documented_functions(tmp_path, zipsel):
    done = zipsel("demo", "--output", "here")
    rows = [
        json.loads(line)
        for line in (tmp_path / "here" / "subset" / "subset-00000.jsonl").read_bytes().splitlines()
    ]
    documented = [row for row in rows if row["kind"] == "documented functions"]
    report = json.loads((tmp_path / "here" / "subset" / "report.json").read_bytes())
    in_pool = {group["name"]: group["n_pool"] for group in report["groups"]}

    # How much of it there is, is another matter in every Python's standard library.
    share_of_pool = in_pool["documented functions"] / sum(in_pool.values())
    assert len(rows) > 50
    assert len(documented) / len(rows) > 1.5 * share_of_pool
    assert len(in_pool) >= 4
    assert done.stdout == b""
    shown = done.stderr.decode()
    assert "here/subset/subset-00000.jsonl" in shown
    assert "documented functions" in shown
    assert len([line for line in shown.splitlines() if "def " in line]) >= 5

    before = (tmp_path / "here" / "subset" / "subset-00000.jsonl").read_bytes()
    again = next(line for line in shown.splitlines() if line.startswith("again: "))
    command = again.removeprefix("again: ").split()[1:]
    assert b"up to date" in zipsel(*command).stderr
    zipsel(*command, "--force")
    assert (tmp_path / "here" / "subset" / "subset-00000.jsonl").read_bytes() == before
