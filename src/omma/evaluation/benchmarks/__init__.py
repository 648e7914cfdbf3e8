"""Benchmarks of the field in the formats in which their authors publish them, one a file; `base` says what one is.

`rows` reads the files. Outside packages add their own through the entry-point group ``omma.benchmark``.
"""

from omma.evaluation.benchmarks import (
    amber,
    chair,
    chartqa,
    coco_captions,
    docvqa,
    gqa,
    hallusionbench,
    mmbench,
    mme,
    mmstar,
    nlvr,
    ocrbench,
    pope,
    printed_lines,
    refcoco,
    scene_objects,
    scienceqa,
    textvqa,
    vqav2,
)
from omma.evaluation.benchmarks.base import BENCHMARKS, BenchmarkConfig, PublishedBenchmark

__all__ = [
    "BENCHMARKS",
    "BenchmarkConfig",
    "PublishedBenchmark",
    "amber",
    "chair",
    "chartqa",
    "coco_captions",
    "docvqa",
    "gqa",
    "hallusionbench",
    "mmbench",
    "mme",
    "mmstar",
    "nlvr",
    "ocrbench",
    "pope",
    "printed_lines",
    "refcoco",
    "scene_objects",
    "scienceqa",
    "textvqa",
    "vqav2",
]
