"""One Ray cluster of two nodes for all tests that can share it, with a port for Ray's client."""

import os
import socket

import pytest
from engines import ray_tasks

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
os.environ["RAY_AUTH_MODE"] = "disabled"

#: The least that Ray allows.
SMALL_STORE_BYTES = 80 << 20

#: A node of a busy machine may answer late; one that is lost refuses at once.
PATIENCE = {"health_check_timeout_ms": 120_000, "health_check_period_ms": 1_000}
os.environ["RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S"] = "120"


class TwoNodes:
    """A cluster of two nodes with one slot each.

    Attributes:
        address: For programs of this machine.
        client_address: For Ray's client.
    """

    def __init__(self):
        from ray import cloudpickle
        from ray.cluster_utils import Cluster

        cloudpickle.register_pickle_by_value(ray_tasks)  # no test module is on the workers' path
        with socket.create_server(("127.0.0.1", 0)) as held:
            port = held.getsockname()[1]
        options = {"num_cpus": 1, "object_store_memory": SMALL_STORE_BYTES}
        self._cluster = Cluster(
            initialize_head=True,
            head_node_args={
                **options,
                "include_dashboard": False,
                "ray_client_server_port": port,
                "_system_config": PATIENCE,
            },
        )
        self._cluster.add_node(**options)
        self._cluster.wait_for_nodes()
        self.address = self._cluster.address
        self.client_address = f"ray://127.0.0.1:{port}"

    def add_node(self):
        """A third node, which may be lost."""
        node = self._cluster.add_node(num_cpus=2, object_store_memory=SMALL_STORE_BYTES)
        self._cluster.wait_for_nodes()
        return node

    def lose(self, node):
        """End a node as a power cut does."""
        self._cluster.remove_node(node, allow_graceful=False)

    def close(self):
        self._cluster.shutdown()


@pytest.fixture(scope="session")
def cluster():
    pytest.importorskip("ray", reason="ray is not installed")
    two_nodes = TwoNodes()
    yield two_nodes
    two_nodes.close()
