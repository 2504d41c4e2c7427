"""A Ray cluster by way of Ray's client: ``ray://``."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
pytest.importorskip("ray", reason="ray is not installed")
pytest.importorskip("grpc", reason="ray[client] is not installed")


def free_ports(n_ports):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(n_ports)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


@pytest.fixture
def address(tmp_path_factory):
    """A cluster as an administrator starts one; Ray wants a short path for its sockets."""
    port, client_port, agent_port = free_ports(3)
    environ = {
        **os.environ,
        "RAY_AUTH_MODE": "disabled",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    head = subprocess.Popen(
        [Path(sys.executable).parent / "ray", "start", "--head", "--block", "--num-cpus=2",
         "--node-ip-address=127.0.0.1",
         f"--port={port}", f"--ray-client-server-port={client_port}",
         f"--runtime-env-agent-port={agent_port}", f"--object-store-memory={80 << 20}",
         "--include-dashboard=false", "--disable-usage-stats",
         f"--temp-dir={tmp_path_factory.mktemp('ray')}"],
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    shown = []
    for line in head.stdout:
        shown.append(line)
        if b"--block" in line:
            break
    else:
        pytest.fail(b"".join(shown).decode())
    yield f"ray://127.0.0.1:{client_port}"
    head.send_signal(signal.SIGTERM)
    head.communicate(timeout=60)


def test_the_same_bytes_by_way_of_the_client(zipsel, pool, target, tmp_path, address):
    arguments = ("select", pool, "--target", target, "--top-k", 9, "--add-field", "score")
    environ = {"PYTHONWARNINGS": "default", "RAY_AUTH_MODE": "disabled"}
    far = ("--output", "far", "--work-dir", "far-work")
    zipsel(*arguments, *far, "--engine", "ray", "--ray-address", address, env=environ)
    zipsel(*arguments, "--output", "near", "--work-dir", "near-work")
    name = "subset-00000.jsonl"
    assert (tmp_path / "far" / name).read_bytes() == (tmp_path / "near" / name).read_bytes()
    assert list(tmp_path.glob("far-work/scores/**/*.parquet"))
