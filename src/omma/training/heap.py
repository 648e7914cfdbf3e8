"""Memory of a training on a CPU: kept from step to step, in large pages.

Every step allocates and frees the same hundreds of megabytes. By itself the C library gives such blocks back to the system
at once, and takes them anew a page of 4 KiB at a time: a quarter of a small model's training (docs/log.md).
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
"""Of glibc's mallopt(3): free memory at the heap's end that is kept; by how much it grows; blocks that are mapped alone."""
USUAL = {M_TRIM_THRESHOLD: 128 << 10, M_TOP_PAD: 128 << 10, M_MMAP_MAX: 65536}
KEEPING = {M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 64 << 20, M_MMAP_MAX: 0}

MADV_HUGEPAGE = 14
"""Of Linux' madvise(2)."""
PAGE = 2 << 20
RESERVED = 2**31 - (128 << 20)
"""Bytes of addresses, below the threshold above which they would be given back. What is never touched takes no memory."""


BETWEEN = 20
"""Steps after which what is free is given back once. Blocks of ever other sizes leave gaps, which would add up."""


def give_back() -> None:
    """Return free memory to the system: what is forked next would hold on to it."""
    if libc := _glibc():
        libc.malloc_trim(0)


@contextmanager
def kept(device: torch.device) -> Iterator[None]:
    """Inside, freed memory stays with this process, in large pages. Does nothing off the CPU or without glibc."""
    libc = _glibc() if device.type == "cpu" else None
    if libc is None:
        yield
        return
    _set(libc, KEEPING)
    _reserve(libc)
    try:
        yield
    finally:
        _set(libc, USUAL)
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None


def _set(libc: ctypes.CDLL, options: dict[int, int]) -> None:
    for option, value in options.items():
        libc.mallopt(option, value)


def _reserve(libc: ctypes.CDLL) -> None:
    """Grow the heap once, ask for large pages there, and free it again: it stays, for the blocks to come."""
    libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    block = libc.malloc(RESERVED)
    if not block:  # no room for so many addresses: small pages do
        return
    start = -(-block // PAGE) * PAGE
    libc.madvise(start, (block + RESERVED - start) // PAGE * PAGE, MADV_HUGEPAGE)
    libc.free(block)
