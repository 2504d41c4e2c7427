"""PyTorch on a machine that is shared: few threads, and memory that stays with the process."""

import ctypes
import sys

# Parameters of glibc's mallopt, from malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3


def prepare_torch(n_threads: int) -> None:
    """Compute with `n_threads` threads and let glibc keep freed memory.

    Without the latter every large tensor is mapped and unmapped anew; on virtual machines, where
    page faults are dear, this took half of the time of a forward pass.
    """
    import torch

    torch.set_num_threads(n_threads)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
            libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
