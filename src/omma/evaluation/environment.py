"""What a run ran on: versions and hardware, and nothing that identifies a person or a machine."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class Environment(BaseModel):
    """Versions and hardware; no host, user or path names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    python: str = Field(description="Version of Python.")
    torch: str | None = Field(description="Version of PyTorch; null if not installed.")
    transformers: str | None = Field(description="Version of transformers; null if not installed.")
    platform: str = Field(description='Operating system and architecture ("Linux x86_64").')
    cpu: str = Field(description="Model name of the processor.")
    cores: int = Field(description="Processor cores that the process could use.")
    memory_bytes: int | None = Field(description="Main memory of the machine; null if the system does not say.")
    accelerator: str | None = Field(default=None, description="Name of the accelerator used; null for none.")

    @classmethod
    def current(cls, *, accelerator: str | None = None) -> Environment:
        """The environment of this process. ``accelerator`` is the name of the device that the caller used, if any."""
        return cls(
            python=platform.python_version(),
            torch=_version("torch"),
            transformers=_version("transformers"),
            platform=f"{platform.system()} {platform.machine()}".strip(),
            cpu=_cpu_model(),
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            memory_bytes=_memory(),
            accelerator=accelerator,
        )


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(errors="replace"), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
