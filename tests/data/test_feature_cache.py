"""The feature cache: what it returns is what was put, or nothing; whatever happens to its files."""

from __future__ import annotations

import os
import pickle
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omma.data.feature_cache import FeatureCache, FeatureReader
from omma.parts.resolution import RESOLUTIONS
from omma.parts.resolution.base import Plan

PLAN: Plan = RESOLUTIONS.parse({"type": "pad-square", "size": 32}, where="plan").build().plan(10, 20)
OTHER: Plan = RESOLUTIONS.parse({"type": "pad-square", "size": 32}, where="plan").build().plan(20, 10)


def features(seed: int, *, tokens: int = 4, dtype: type = np.float32) -> np.ndarray:
    bits = np.random.default_rng(seed).integers(0, 2**16, size=(1, tokens, 8), dtype=np.uint16)
    return bits if dtype is np.uint16 else bits.astype(np.float32)


def put(cache: FeatureCache, *seeds: int, plan: Plan = PLAN, **kind: object) -> None:
    reader = cache.reader()
    cache.put([(reader.key(str(seed), plan), features(seed, **kind)) for seed in seeds])  # type: ignore[arg-type]


def found(reader: FeatureReader, seeds: range) -> set[int]:
    """Which of them are there, every one as it was put."""
    there = set()
    for seed in seeds:
        array = reader.get(str(seed), PLAN)
        if array is not None:
            assert np.array_equal(array, features(seed)), seed
            there.add(seed)
    return there


@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
def test_round_trip(tmp_path: Path, dtype: type) -> None:
    cache = FeatureCache(tmp_path, "encoder", 10**6)
    reader = cache.reader()
    assert reader.get("1", PLAN) is None
    put(cache, 1, 2, dtype=dtype)
    array = reader.get("1", PLAN)
    assert array is not None and array.dtype == dtype
    assert np.array_equal(array, features(1, dtype=dtype))
    assert reader.get("1", OTHER) is None, "another plan is another entry"
    assert reader.get("3", PLAN) is None


def test_readers_travel_to_workers_and_see_what_comes_later(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, "encoder", 10**6)
    reader = pickle.loads(pickle.dumps(cache.reader()))
    put(cache, 1)
    assert found(reader, range(3)) == {1}
    put(cache, 2)
    assert found(reader, range(3)) == {1, 2}


def test_it_stays_in_bounds_and_keeps_the_newest(tmp_path: Path) -> None:
    size = features(0).nbytes
    cache = FeatureCache(tmp_path, "encoder", limit_bytes=40 * size)
    reader = cache.reader()
    for seed in range(200):
        put(cache, seed)
        assert cache.size() <= 40 * size
        assert reader.get(str(seed), PLAN) is not None
    there = found(reader, range(200))
    assert there == set(range(min(there), 200)) and 30 <= len(there) <= 40
    assert (cache.directory / "index.bin").stat().st_size < 45 * 60


def test_what_is_larger_than_a_slab_is_not_kept(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, "encoder", limit_bytes=7 * features(0).nbytes)
    put(cache, 1)
    assert cache.size() == 0 and cache.reader().get("1", PLAN) is None


def test_another_encoder_starts_afresh(tmp_path: Path) -> None:
    put(FeatureCache(tmp_path, "one", 10**6), 1)
    other = FeatureCache(tmp_path, "two", 10**6)
    assert other.reader().get("1", PLAN) is None
    put(other, 1)
    assert os.listdir(tmp_path) == ["two"], "what nobody can use is not left on the disk"


@pytest.mark.parametrize("victim", ["directory", "index", "slab"])
def test_it_may_be_deleted_at_any_time(tmp_path: Path, victim: str) -> None:
    cache = FeatureCache(tmp_path, "encoder", 10**6)
    reader = cache.reader()
    for round in range(4):
        put(cache, *range(10 * round, 10 * round + 10))
        assert found(reader, range(100)) >= set(range(10 * round, 10 * round + 10))
        if victim == "directory":
            shutil.rmtree(cache.directory)
        else:
            (cache.directory / {"index": "index.bin", "slab": "slab-000000.bin"}[victim]).unlink()
        found(reader, range(100))
    put(cache, 99)
    assert 99 in found(reader, range(100)) and 99 in found(cache.reader(), range(100))


def test_a_process_may_die_at_any_byte(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "whole", "encoder", 10**6)
    put(cache, *range(4))
    index, slab = ((cache.directory / name).read_bytes() for name in ("index.bin", "slab-000000.bin"))
    for cut in range(0, len(index) + 1, 7):
        folder = tmp_path / str(cut) / "encoder"
        folder.mkdir(parents=True)
        # Data is written first: with the index cut, the slab is whole or longer.
        (folder / "index.bin").write_bytes(index[:cut])
        (folder / "slab-000000.bin").write_bytes(slab + b"torn")
        again = FeatureCache(folder.parent, "encoder", 10**6)
        found(again.reader(), range(10))
        put(again, 7, 8)
        assert found(again.reader(), range(10)) >= {7, 8}


@given(st.integers(0, 2**32), st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_garbage_is_never_believed(tmp_path_factory: pytest.TempPathFactory, seed: int, edits: int) -> None:
    cache = FeatureCache(tmp_path_factory.mktemp("cache"), "encoder", 10**6)
    put(cache, *range(5))
    chance = random.Random(seed)
    for _ in range(edits):
        file = chance.choice(sorted(cache.directory.iterdir()))
        data = bytearray(file.read_bytes())
        place = chance.randrange(len(data) + 1)
        data[place : place + chance.randrange(60)] = chance.randbytes(chance.randrange(120))
        file.write_bytes(data)
    found(cache.reader(), range(10))
    again = FeatureCache(cache.directory.parent, "encoder", 10**6)
    found(again.reader(), range(10))
    put(again, 9)
    assert 9 in found(again.reader(), range(10))


def test_an_index_of_absurd_sizes_allocates_nothing(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, "encoder", 10**6)
    put(cache, 1)
    index = cache.directory / "index.bin"
    data = bytearray(index.read_bytes())
    data[16 + 16 + 12 : 16 + 16 + 24] = b"\xff" * 12  # V, T and C of the first record
    index.write_bytes(data)
    assert cache.reader().get("1", PLAN) is None


def test_a_disk_that_takes_nothing_stops_the_cache_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    cache = FeatureCache(tmp_path / "file", "encoder", 10**6)
    put(cache, 1)
    put(cache, 2)
    assert cache.reader().get("1", PLAN) is None
