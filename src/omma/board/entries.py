"""What is compared: directories that `omma evaluate` wrote, read back and checked before anything is said of them.

A results.json may come from anybody. Its scores are computed anew from its replies, and one that says otherwise is refused;
names from it never become parts of paths; and two evaluations that put different words under the same id are not compared.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from omma.errors import BadInput
from omma.evaluation import ItemResult, Results, Scores, read_results, score
from omma.evaluation.evaluate import Records, read_records

MOST_BYTES = 512 * 2**20
"""Largest results.json that is read: some hundred thousand questions."""
MOST_PARAMETERS = 10**15
SLUG = 48
"""Longest part of a file's name that a model's name becomes."""

AGAIN = "write it again by repeating the evaluation"


@dataclass(frozen=True, slots=True)
class Entry:
    """One evaluated model.

    Attributes:
        name: as it is shown; no two have the same.
        slug: its name in file names and addresses: letters, digits and hyphens.
        results: with scores that were computed anew.
        file: where its results.json was read from.
        data: hash of the items, if the records of single items lie beside it.
    """

    name: str
    slug: str
    results: Results
    file: Path
    data: str | None

    @property
    def parameters(self) -> int:
        """Of all parts; 0 if nothing is known of them."""
        return sum(self.results.run.parameters.values())

    @property
    def scores(self) -> Scores:
        return self.results.scores

    @property
    def replies_per_second(self) -> float | None:
        """Of the evaluation; None if it is not known."""
        return next((phase.replies_per_second for phase in self.results.timing.phases if phase.name == "evaluation"), None)


def read_entries(arguments: Sequence[str]) -> list[Entry]:
    """The evaluated models in these places, in their order.

    Args:
        arguments: directories with a results.json, folders of such directories, or ``NAME=DIRECTORY`` to show a model by
            another name than that of its run.

    Raises:
        BadInput: if there is none, one is damaged, says what its replies do not, or lies beside records of another
            evaluation; if two have one name; or if two were asked other questions under the same id.
    """
    found: list[tuple[str | None, Path]] = [place for argument in arguments for place in _places(argument)]
    entries: list[Entry] = []
    seen: dict[Path, Path] = {}
    for named, file in found:
        if file.resolve() not in seen:
            seen[file.resolve()] = file
            entries.append(_entry(named, file))
    by_slug: dict[str, Entry] = {}
    for entry in entries:
        other = by_slug.setdefault(entry.slug, entry)
        if other is not entry:
            raise BadInput(
                str(entry.file),
                expected="a model with a name of its own",
                found=f"{entry.name!r}, as in {other.file}",
                remedy=f"give one of them another name: NAME={entry.file.parent}",
            )
    refuse_other_versions(entries)
    return entries


def _places(argument: str) -> Iterator[tuple[str | None, Path]]:
    name: str | None = None
    path = Path(argument).expanduser()
    if "=" in argument and not path.exists():
        name, _, rest = argument.partition("=")
        path = Path(rest).expanduser()
    if path.is_file():
        yield name, path
    elif (path / "results.json").is_file():
        yield name, path / "results.json"
    else:
        below = sorted(path.glob("*/results.json")) if path.is_dir() else []
        if not below or (name is not None and len(below) > 1):
            raise BadInput(
                str(path),
                expected="a directory that omma evaluate wrote" + (", or a folder of such directories" if name is None else ""),
                found="no results.json in it" if path.is_dir() and not below else
                f"{len(below)} of them" if below else "no such directory",
                remedy="run omma evaluate first, or name another directory",
            )  # fmt: skip
        yield from ((name, file) for file in below)


def _entry(named: str | None, file: Path) -> Entry:
    try:
        size = file.stat().st_size
    except OSError:
        size = 0  # reading it says what is wrong
    if size > MOST_BYTES:
        raise BadInput(
            str(file), expected=f"at most {MOST_BYTES // 2**20} MiB", found=f"{size / 2**20:,.0f} MiB",
            remedy="evaluate fewer questions at a time",
        )  # fmt: skip
    results = _checked(read_results(file), file)
    name = shown(named or results.run.name) or shown(file.resolve().parent.name) or "unnamed"
    return Entry(name, slug(name), results, file, _data(results, file))


def shown(name: str) -> str:
    """A name on one line, without what cannot be seen (marks that turn the direction of writing, say), of 80 letters at most."""
    return " ".join("".join(c if c.isprintable() else " " for c in unicodedata.normalize("NFC", name)).split())[:80]


def slug(name: str) -> str:
    """Letters, digits, hyphens, and dots before digits, that stand for a name in paths: no two names have the same."""
    plain = re.sub(r"[^a-z0-9.]+|\.(?![0-9])", "-", name.lower())
    plain = re.sub(r"[-.]{2,}", "-", plain).strip("-.")[:SLUG].strip("-.")
    if plain and plain == name:
        return plain
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{plain}-{digest}" if plain else digest


def _checked(results: Results, file: Path) -> Results:
    """The results with scores computed anew, which must be those that it says."""
    ids: set[str] = set()
    for item in results.items:
        if item.id in ids:
            raise BadInput(f"{file}, item {item.id[:80]!r}", expected="every item once", found="it twice", remedy=AGAIN)
        ids.add(item.id)
        replies = (item.sighted, item.blind, item.swapped, *item.variants.values())
        for confidence in (reply.confidence for reply in replies if reply is not None and reply.confidence is not None):
            if not 0 <= confidence <= 1:
                where = f"{file}, item {item.id[:80]!r}, field confidence"
                raise BadInput(where, expected="0 to 1", found=f"{confidence:g}", remedy=AGAIN)
    if not results.items:
        raise BadInput(f"{file}, field items", expected="questions with replies", found="none", remedy=AGAIN)
    for phase in results.timing.phases:
        for value in (phase.seconds, phase.tokens_per_second, phase.images_per_second, phase.replies_per_second):
            if value is not None and not (math.isfinite(value) and value >= 0):
                where = f"{file}, timing of {phase.name[:80]!r}"
                raise BadInput(where, expected="finite numbers from 0", found=f"{value:g}", remedy=AGAIN)
    for part, count in results.run.parameters.items():
        if not 0 <= count <= MOST_PARAMETERS:
            where = f"{file}, field run.parameters.{part[:80]}"
            found = f"{count:,}" if abs(count) < 10**30 else "one beyond all models"
            raise BadInput(where, expected="a number of parameters", found=found, remedy=AGAIN)
    scores = score(results.items)
    said = {(c.world, c.split, c.kind): c.accuracy.value for c in results.scores.cells}
    true = {(c.world, c.split, c.kind): c.accuracy.value for c in scores.cells}
    for group in sorted(said.keys() | true.keys(), key=str):
        ours, theirs = true.get(group, math.nan), said.get(group, math.nan)
        same = math.isclose(ours, theirs, abs_tol=1e-9) or (math.isnan(ours) and math.isnan(theirs))
        if not same or (group in true) != (group in said):
            raise BadInput(
                f"{file}, scores of {', '.join(str(part)[:40] for part in group if part is not None)}",
                expected=f"an accuracy of {ours:.4f}, as its replies have" if group in true else "only scores of its items",
                found=f"{theirs:.4f}" if group in said else "none",
                remedy=AGAIN,
            )
    return results.model_copy(update={"scores": scores})


def _data(results: Results, file: Path) -> str | None:
    """Hash of the items from the records of single items beside a results.json, which must be those of its replies."""
    path = file.with_name("predictions.jsonl")
    if not path.is_file():
        return None
    records = read_records(path)
    for item in results.items:
        for condition, reply in (("sighted", item.sighted), ("blind", item.blind), ("swapped", item.swapped)):
            record = records.replies.get((condition, item.id))
            if reply is None or reply.finish == "failed":
                continue  # what failed is not in the records until it is asked again
            if record is None or (record.text, record.finish) != (reply.text, reply.finish):
                raise BadInput(
                    f"{path}, item {item.id[:80]!r}, {condition}",
                    expected=f"the reply that is in {file.name}",
                    found="none" if record is None else "another one",
                    remedy="run the same omma evaluate command again, so that both are of one evaluation",
                )
    return _hash_of(records)


def _hash_of(records: Records) -> str | None:
    value = records.header.get("items")
    return value if isinstance(value, str) else None


def refuse_other_versions(entries: Iterable[Entry]) -> None:
    """Two items of one id must be one question, with one truth, about one picture.

    Raises:
        BadInput: naming the file, the item and what differs.
    """
    known: dict[str, tuple[ItemResult, Entry]] = {}
    hashes: dict[frozenset[str], Entry] = {}
    for entry in entries:
        for item in entry.results.items:
            first, other = known.setdefault(item.id, (item, entry))
            for field in ("question", "answer", "world", "split", "kind", "cluster", "pictures"):
                ours, theirs = getattr(item, field), getattr(first, field)
                if ours != theirs:
                    raise BadInput(
                        f"{entry.file}, item {item.id[:80]!r}",
                        expected=f"the same version of the data as in {other.file}, with the {field} {_short(theirs)}",
                        found=_short(ours),
                        remedy="evaluate both models on the same version of the data",
                    )
        if entry.data is not None:
            # Pictures can change where words do not.
            beside = entry.file.with_name("predictions.jsonl")
            other = hashes.setdefault(frozenset(item.id for item in entry.results.items), entry)
            if other.data != entry.data:
                raise BadInput(
                    str(beside),
                    expected=f"the same version of the data as beside {other.file} (items {other.data})",
                    found=f"items {entry.data[:64]}",
                    remedy="evaluate both models on the same version of the data",
                )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
