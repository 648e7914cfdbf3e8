"""Put every question to a model under every condition, in batches, and keep each reply as soon as it is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Protocol, Self

from pydantic import TypeAdapter

from omma.data.sample import Sample
from omma.errors import BadInput
from omma.evaluation.conditions import CONDITIONS, Condition, prompts
from omma.evaluation.items import Item, items_hash, refuse_duplicates
from omma.evaluation.variants import VARIANTS, chosen_for_variants, variant_prompts
from omma.model.output import Output
from omma.storage import unwritable, write_atomically

Predictions = dict[str, dict[str, Output]]
"""Condition or variant -> item id -> reply. What is absent was not asked."""

FORMAT = 2
"""Version of the predictions file."""

_REPLY = TypeAdapter(Output)


class Answerer(Protocol):
    """What can be evaluated: a model, a server, a replay."""

    def answer(self, prompts: Sequence[Sample]) -> list[Output]:
        """One reply per prompt, in order. The last turn of a prompt is the user's. What fails is an output that says why."""


def evaluate(
    answerer: Answerer,
    items: Sequence[Item],
    *,
    conditions: Sequence[Condition] = CONDITIONS,
    variants: int = 0,
    batch_size: int = 32,
    predictions_path: Path | None = None,
    model: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Every item's reply under every condition that applies to it.

    Prompts are sorted by number of pictures (most first: what does not fit in memory fails at once), then picture by picture,
    which need to be read only once then, and by length; a batch never mixes numbers of pictures. The batches depend on nothing
    but the set of items and ``batch_size``: not on the order of ``items``, and not on where an earlier run stopped.

    Args:
        variants: so many items of each world and split are asked in other words and about slightly changed pictures, too.
        predictions_path: a JSONL file that replies are appended to, batch by batch. Replies of an earlier run are
            reused if its header agrees (same items, same ``model``); if it does not, the file is begun anew. What failed
            then is asked again.
        model: identity of what answers (a checkpoint's hash, say), so that another model's replies are never reused.
        progress: called with (replies so far, replies in all) at the start and after every batch.

    Raises:
        BadInput: if two items share an id, or if the predictions file is damaged or cannot be written.
        ValueError: if the answerer returns another number of replies than it was given prompts.
    """
    refuse_duplicates(items)
    if batch_size < 1:
        raise ValueError(f"batch_size must be positive, it is {batch_size}")
    work: dict[str, dict[str, Sample]] = {condition: prompts(items, condition) for condition in conditions}
    if variants:
        chosen = chosen_for_variants(items, variants)
        work |= {variant: variant_prompts(chosen, variant) for variant in VARIANTS}
    predictions: Predictions = {name: {} for name in work}
    batches = list(_batches(work, batch_size))
    asked = {(condition, sample.id) for batch in batches for condition, sample in batch}
    with _Journal(predictions_path, {"format": FORMAT, "items": items_hash(items), "model": model}) as journal:
        for (condition, item_id), reply in journal.replies.items():
            if (condition, item_id) in asked:
                predictions[condition][item_id] = reply
        done = sum(map(len, predictions.values()))
        if progress:
            progress(done, len(asked))
        for batch in batches:
            new = [n for n, (condition, sample) in enumerate(batch) if sample.id not in predictions[condition]]
            if not new:
                continue
            # A batch of which a part is known is asked as a whole: the same batch gives the same replies.
            replies = answerer.answer([sample for _, sample in batch])
            if len(replies) != len(batch):
                raise ValueError(f"the answerer returned {len(replies)} replies to {len(batch)} prompts")
            for n in new:
                condition, sample = batch[n]
                predictions[condition][sample.id] = replies[n]
                if replies[n].finish != "failed":
                    journal.add(condition, sample.id, replies[n])
            journal.flush()
            done += len(new)
            if progress:
                progress(done, len(asked))
    return predictions


def _batches(work: Mapping[str, Mapping[str, Sample]], batch_size: int) -> Iterator[list[tuple[str, Sample]]]:
    jobs = [(name, sample) for name, samples in work.items() for sample in samples.values()]

    def cost(job: tuple[str, Sample]) -> tuple[int, list[str], int, str, str]:
        condition, sample = job
        keys = [image.key for image in sample.images]
        return -len(keys), keys, -sum(len(turn.text) for turn in sample.turns), condition, sample.id

    batch: list[tuple[str, Sample]] = []
    for job in sorted(jobs, key=cost):
        if batch and (len(batch) == batch_size or len(batch[0][1].images) != len(job[1].images)):
            yield batch
            batch = []
        batch.append(job)
    if batch:
        yield batch


class _Journal:
    """The predictions file: a header line, then one line per reply. Without a path it keeps nothing."""

    def __init__(self, path: Path | None, header: dict[str, object]) -> None:
        self.path, self.header = path, header
        self.replies: dict[tuple[str, str], Output] = {}
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        if self.path is not None:
            kept = self._read(self.path)
            if not kept:
                write_atomically(self.path, _line(self.header))
            try:
                self._file = self.path.open("r+b")
                self._file.seek(kept or len(_line(self.header)))
                self._file.truncate()
            except OSError as error:
                raise unwritable(self.path, error) from error
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, condition: str, item_id: str, reply: Output) -> None:
        if self._file is not None:
            self._write(_line({"condition": condition, "id": item_id, "reply": asdict(reply)}))

    def flush(self) -> None:
        if self._file is not None:
            self._write(b"")

    def _write(self, data: bytes) -> None:
        assert self._file is not None and self.path is not None
        try:
            self._file.write(data) if data else self._file.flush()
        except OSError as error:
            raise unwritable(self.path, error) from error

    def _read(self, path: Path) -> int:
        """Fills ``replies`` and returns the number of bytes worth keeping: 0 if the file is none of ours to continue."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise unwritable(path, error) from error
        # A killed run leaves an unfinished last line, which has no newline; it is asked again.
        data = data[: data.rfind(b"\n") + 1]
        if not data.startswith(_line(self.header)):
            return 0
        self.replies = _replies(path, data)
        return len(data)


@dataclass(frozen=True, slots=True)
class Records:
    """A predictions file.

    Attributes:
        header: version of the format, hash of the items ("items"), identity of the model ("model").
        replies: (condition or variant, item id) -> reply.
    """

    header: dict[str, Any]
    replies: dict[tuple[str, str], Output]


def read_records(path: Path) -> Records:
    """A predictions file as `evaluate` leaves it.

    Raises:
        BadInput: if it cannot be read, is of another version, or is damaged.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadInput(str(path), expected="a file that can be read", found=reason, remedy="name another one") from None
    data = data[: data.rfind(b"\n") + 1]
    try:
        header = json.loads(data.partition(b"\n")[0])
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise BadInput(
            f"{path}, line 1",
            expected=f"a header with format {FORMAT}",
            found=repr(header.get("format")) if isinstance(header, dict) else repr(data[:80].decode("utf-8", "replace")),
            remedy="repeat the evaluation",
        )
    return Records(header, _replies(path, data))


def _replies(path: Path, data: bytes) -> dict[tuple[str, str], Output]:
    """All replies of a predictions file but its header. Raises BadInput naming the line that is damaged."""
    replies = {}
    for number, line in enumerate(data.splitlines()[1:], start=2):
        try:
            record = json.loads(line)
            condition, item_id, reply = record["condition"], record["id"], _REPLY.validate_python(record["reply"])
            if condition not in (*CONDITIONS, *VARIANTS) or not isinstance(item_id, str):
                raise TypeError
        except (ValueError, KeyError, TypeError, RecursionError):
            raise BadInput(
                f"{path}, line {number}",
                expected="a reply with condition, id and reply",
                found=repr(line[:80].decode("utf-8", "replace")),
                remedy="delete the file to ask every question again",
            ) from None
        replies[condition, item_id] = reply
    return replies


def _line(record: dict[str, object]) -> bytes:
    return json.dumps(record, ensure_ascii=True, sort_keys=True).encode() + b"\n"
