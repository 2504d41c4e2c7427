"""Tasks on a Ray cluster: the same functions over the same chunks as on one machine.

Every node must see pool and work directory under the same paths; this is checked before any work.
Tasks are idempotent and write their results into files of the work directory, so Ray runs a task
again if its worker or node was lost. The driver gets only counts and paths. At most two tasks for
each slot run or wait in the cluster.

Ray always prints notices of crashes to descriptor 1; ``cli`` has redirected it to standard error.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Self

from zipsel import __version__
from zipsel.engines import Result, Task
from zipsel.engines.ray_signals import interruptible, own_sigterm
from zipsel.errors import UsageError, WorkerDied
from zipsel.storage.remote import is_remote

#: Tasks submitted for each slot: one runs, the next waits for it to end.
_PER_SLOT = 2

#: How often Ray runs a task again whose worker or node was lost.
_MAX_RETRIES = 3

#: How long to wait for cancelled tasks to end, so that they write nothing afterwards.
_CANCEL_SECONDS = 10.0

#: How long to wait for a cluster to accept a connection.
_REACH_SECONDS = 10.0

#: Why Ray's client may not reach a running cluster.
_CLIENT_HINT = (
    " ray:// needs the same Ray and Python on both sides and ray[client] on both; where the "
    "cluster asks for a token, set RAY_AUTH_MODE=token"
)

_START_HINT = (
    "it needs a writable TMPDIR (or RAY_TMPDIR) with a short path and room in /dev/shm; --engine "
    "local needs neither"
)

#: Shards whose size each node is asked for.
_PROBED_PATHS = 64


class RayEngine:
    """A Ray cluster: a running one, or a temporary one on this machine.

    Args:
        n_workers: Slots of a temporary cluster; a running cluster has its own number.
        address: Address of a cluster (``auto``, ``host:port``, ``ray://host:port``); None for
            ``RAY_ADDRESS`` or, if that is not set, this machine.
        preload: Not used: Ray starts its workers by itself.

    Raises:
        UsageError: If Ray is not installed.
    """

    def __init__(
        self, n_workers: int, address: str | None = None, preload: Sequence[str] = ()
    ) -> None:
        self.n_workers = n_workers
        self.address = address or os.environ.get("RAY_ADDRESS")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError:
            raise UsageError(
                "--engine ray needs Ray, which is not installed: pip install 'zipsel[ray]'"
            ) from None
        self._ray: Any = ray
        self._running: dict[Any, Any] = {}
        self._depth = 0
        self._owned = False

    def __enter__(self) -> Self:
        """Start no worker yet; ``with`` may be nested, and the outermost one disconnects."""
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        """End running tasks and, in the outermost ``with``, disconnect."""
        self._depth -= 1
        self._stop()
        if self._depth <= 0:
            self.close()

    def start(self) -> None:
        """Do nothing: a run whose output is up to date needs no cluster."""

    def _connect(self) -> None:
        """Connect to the cluster, or start one; keep a connection that the program already has.

        Raises:
            UsageError: If there is no cluster at the address, or none can start here.
        """
        if not self._ray.is_initialized():
            with own_sigterm():
                self._join()
            self._owned = True
        self.n_workers = self._n_slots()

    def _join(self) -> None:
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
        if self.address is None:
            options.update(address="local", num_cpus=self.n_workers, include_dashboard=False)
        else:
            _reach(self.address)
            options.update(address=self.address)
        try:
            with interruptible():
                self._ray.init(**options)
        except Exception as error:  # Ray has no class of its own for what keeps it from starting
            if self.address is None:
                problem = f"Ray cannot start on this machine: {_last_line(error)}; {_START_HINT}"
                raise UsageError(problem) from None
            raise UsageError(
                f"--ray-address {self.address}: {_last_line(error)}; is the cluster running?"
                f"{_CLIENT_HINT if self.address.startswith('ray://') else ''}"
            ) from None

    def _n_slots(self) -> int:
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def check_paths(self, work_dir: str, paths: Sequence[str], few: Sequence[str] = ()) -> None:
        """Refuse paths that some node of the cluster does not see as this machine does.

        Raises:
            UsageError: Naming node and path, or a node whose zipsel is another version.
        """
        self._connect()
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as on_node

        nodes = self._living_nodes()
        token = secrets.token_hex(8)
        marker = os.path.join(os.path.abspath(work_dir), f"seen-{token}")
        probed = [os.path.abspath(path) for path in (*few, *_spread(paths)) if not is_remote(path)]
        sizes = {path: os.path.getsize(path) for path in probed}
        look = self._ray.remote(max_retries=1, num_cpus=0)(_look)
        with open(marker, "w") as file:
            file.write(token)
        try:
            answers = {
                node_id: look.options(scheduling_strategy=on_node(node_id, soft=False)).remote(
                    marker, token, sizes
                )
                for node_id in nodes
            }
            for node_id, answer in answers.items():
                self._judge(node_id, nodes[node_id], answer, marker)
        finally:
            os.unlink(marker)

    def _living_nodes(self) -> dict[str, str]:
        """The address of each node with slots that the cluster takes for alive, under its id."""
        return {
            node["NodeID"]: node["NodeManagerAddress"]
            for node in self._ray.nodes()
            if node["Alive"] and node["Resources"].get("CPU")
        }

    def _judge(self, node_id: str, node: str, reference: Any, marker: str) -> None:
        """Refuse a node by its answer; one that was lost meanwhile gets no task and may pass."""
        try:
            with interruptible():
                version, unseen = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            if node_id not in self._living_nodes():
                return
            raise UsageError(
                f"node {node} of the Ray cluster cannot run zipsel: {_last_line(error)}"
            ) from None
        if version != __version__:
            raise UsageError(f"node {node} has zipsel {version}, this machine {__version__}")
        if unseen:
            found = os.path.dirname(marker) if unseen[0] == marker else unseen[0]
            raise UsageError(
                f"node {node} of the Ray cluster does not see {found} as this machine does; "
                "what workers use (pool, --profile, --tokenizer, --work-dir) must be where all "
                "nodes see it under the same path"
            )

    def run(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Result | BaseException]]:
        """As ``Runner.run``.

        Raises:
            WorkerDied: If a task's worker or node was lost time and again.
        """
        self._connect()
        remote = self._ray.remote(max_retries=_MAX_RETRIES, num_cpus=1)(_call)
        directory = os.getcwd()
        waiting = iter(tasks)
        try:
            while True:
                n_free = _PER_SLOT * self.n_workers - len(self._running)
                for task in islice(waiting, n_free):
                    with interruptible():
                        self._running[remote.remote(function, directory, task)] = task
                if not self._running:
                    return
                with interruptible():
                    (reference, *_), _ = self._ray.wait(list(self._running), num_returns=1)
                    outcome = self._take(reference)
                yield outcome
        finally:
            self._stop()

    def _take(self, reference: Any) -> tuple[Any, Any]:
        """A finished task, and its result or error."""
        task = self._running.pop(reference)
        try:
            return task, self._ray.get(reference)[0]
        except self._ray.exceptions.RayError as error:
            raise WorkerDied(
                f"a worker was lost {_MAX_RETRIES + 1} times at {task}: {_last_line(error)}"
            ) from None

    def _stop(self) -> None:
        """End running tasks: by disconnecting, where this engine has connected.

        Ray then ends the workers of this program. ``ray.cancel`` can abort this process if a task
        ends at the same moment: https://github.com/ray-project/ray/pull/54798.
        """
        if self._owned and self._running:
            self.close()
        elif self._running:
            everything = list(self._running)
            for reference in everything:
                self._ray.cancel(reference)
            self._ray.wait(everything, num_returns=len(everything), timeout=_CANCEL_SECONDS)
        self._running.clear()

    def close(self) -> None:
        """As ``Engine.close``."""
        if self._owned:
            self._owned = False
            self._running.clear()
            self._ray.shutdown()
        else:
            self._stop()


def _call(function: Callable[[Any], Any], directory: str, task: Any) -> tuple[Any]:
    """Run a task on a node, and return its error, because Ray would wrap a raised one."""
    os.chdir(directory)
    try:
        return (function(task),)
    except Exception as error:
        return (error,)


def _look(marker: str, token: str, sizes: dict[str, int]) -> tuple[str, list[str]]:
    """This node's version of zipsel, and the paths that it does not see as the driver does."""
    unseen = []
    try:
        with open(marker) as file:
            if file.read() != token:
                unseen.append(marker)
    except OSError:
        unseen.append(marker)
    for path, n_bytes in sizes.items():
        try:
            if os.path.getsize(path) != n_bytes:
                unseen.append(path)
        except OSError:
            unseen.append(path)
    return __version__, unseen


def _spread(paths: Sequence[str]) -> list[str]:
    """At most ``_PROBED_PATHS`` paths, evenly spread: neighbours are often in one directory."""
    step = max(1, -(-len(paths) // _PROBED_PATHS))
    return list(paths[::step])


def _reach(address: str) -> None:
    """Raise ``UsageError`` within seconds if no server listens: Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _REACH_SECONDS).close()
    except OSError as error:
        raise UsageError(
            f"--ray-address {address}: {error.strerror or error}; is the cluster running?"
        ) from None


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
