"""Memory that a training keeps: what is freed is used again without asking the system."""

from __future__ import annotations

import ctypes
import resource
import sys

import pytest
import torch

from omma.training import heap

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="about glibc on Linux"
)

CPU = torch.device("cpu")
SMALLEST_FAULTS = 20
"""Page faults that 64 MiB cost at least, however large the system's pages are."""


def faults_of_a_step() -> int:
    """Page faults of allocating, filling and freeing 64 MiB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.empty(64 << 20, dtype=torch.uint8).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_freed_memory_is_used_again_inside_and_given_back_after() -> None:
    faults_of_a_step()
    assert faults_of_a_step() >= SMALLEST_FAULTS
    with heap.kept(CPU):
        faults_of_a_step()
        # What else the process allocates may take a step to another place once, in pages of 2 MiB.
        found = sorted(faults_of_a_step() for _ in range(5))
        assert found[-2] < SMALLEST_FAULTS, found
    assert faults_of_a_step() >= SMALLEST_FAULTS


def test_off_the_cpu_nothing_changes() -> None:
    with heap.kept(torch.device("meta")):
        faults_of_a_step()
        assert faults_of_a_step() >= SMALLEST_FAULTS
