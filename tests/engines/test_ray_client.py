"""A Ray cluster by way of Ray's client: ``ray://``."""

import pytest

pytest.importorskip("ray", reason="ray is not installed")
pytest.importorskip("grpc", reason="ray[client] is not installed")


def test_the_same_bytes_by_way_of_the_client(zipsel, pool, target, tmp_path, cluster):
    arguments = ("select", pool, "--target", target, "--top-k", 9, "--add-field", "score")
    far = ("--output", "far", "--work-dir", "far-work", "--ray-address", cluster.client_address)
    zipsel(*arguments, *far, "--engine", "ray", env={"PYTHONWARNINGS": "default"})
    zipsel(*arguments, "--output", "near", "--work-dir", "near-work")
    name = "subset-00000.jsonl"
    assert (tmp_path / "far" / name).read_bytes() == (tmp_path / "near" / name).read_bytes()
    assert list(tmp_path.glob("far-work/scores/**/*.parquet"))
