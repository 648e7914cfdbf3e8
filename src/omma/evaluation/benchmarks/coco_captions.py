"""COCO captions: one sentence about a photograph, held against five people's (arXiv 1504.00325)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from omma.evaluation.benchmarks.base import BENCHMARKS, FolderConfig, Pictures, PublishedBenchmark, unique
from omma.evaluation.benchmarks.rows import Row, json_document, records_in
from omma.evaluation.figures import Measure, each, mean_of
from omma.evaluation.items import Item
from omma.evaluation.judgement import ItemResult
from omma.evaluation.metrics.captioning import BleuCounts, CiderD, ptb_tokens
from omma.evaluation.truths import Captions

_BLEU = (*(f"match_{n}" for n in range(1, 5)), *(f"total_{n}" for n in range(1, 5)), "length", "reference")


@BENCHMARKS.register("coco-captions")
class CocoCaptions(PublishedBenchmark):
    """``captions_val2017.json`` (all of it), or Karpathy's ``dataset_coco.json``, of which the pictures of ``split`` are asked.

    The published number is the figure CIDEr-D, with the document frequencies of all pictures of the split, so also where
    ``pictures`` asks about some. A caption's credit is its ROUGE-L. Tokens are those of `omma.evaluation.metrics.captioning`;
    METEOR and SPICE want Java, and are not computed.
    """

    PROMPT = "Provide a one-sentence caption for the provided image."

    class Config(FolderConfig):
        pass

    def questions(self) -> Iterable[Item]:
        pictures = Pictures(self.config.images)
        captions = self._captions()
        cider = CiderD([[ptb_tokens(text) for text in texts] for _, _, _, texts in captions])
        for own_id, row, field, texts in captions:
            name = self._path(row, field, pictures)
            yield self.item(
                own_id,
                [pictures.of(row, field, name)],
                "",
                texts[0],
                Captions(texts, cider),
                cluster=row.text(field),
                kind="caption",
            )

    def _captions(self) -> list[tuple[str, Row, str, tuple[str, ...]]]:
        """(id, row of the picture, field with its file name, captions) of every picture."""
        file = self.config.file
        document = json_document(file)
        if isinstance(document, Mapping) and "annotations" not in document:
            chosen = [row for row in records_in(document, file, within="images") if row.text("split") == self.config.split]
            return [
                (row.identity("cocoid"), row, "filename", tuple(sentence.text("raw") for sentence in row.rows("sentences")))
                for row in chosen
            ]
        images = unique(records_in(document, file, within="images"), "id", file)
        texts: defaultdict[str, list[str]] = defaultdict(list)
        for row in records_in(document, file, within="annotations"):
            if row.identity("image_id") not in images:
                raise row.bad("image_id", "the id of a picture of the file")
            texts[row.identity("image_id")].append(row.text("caption"))
        for own_id, row in images.items():
            if own_id not in texts:
                raise row.bad("id", "the id of a picture that has captions")
        return [(own_id, row, "file_name", tuple(texts[own_id])) for own_id, row in images.items()]

    @staticmethod
    def _path(row: Row, field: str, pictures: Pictures) -> str:
        """Karpathy's file says in which of COCO's folders a picture is; one folder with all of them does, too."""
        name, within = row.text(field), row.optional("filepath")
        return f"{within}/{name}" if within and (pictures.folder / within / name).is_file() else name

    @classmethod
    def measures(cls, results: Sequence[ItemResult]) -> list[Measure]:
        rows = each(lambda _, reply: tuple(reply.counts[name] for name in _BLEU))
        return [
            Measure("CIDEr-D", mean_of("cider_d"), bounds=(0.0, 10.0)),
            *(Measure(f"BLEU-{n}", rows, _bleu(n)) for n in range(1, 5)),
            Measure("ROUGE-L", mean_of("rouge_l")),
        ]


def _bleu(n: int) -> Callable[[np.ndarray], np.ndarray]:
    def of(sums: np.ndarray) -> np.ndarray:
        flat = sums.reshape(-1, sums.shape[-1])
        return np.array([BleuCounts(row[None]).bleu()[n - 1] for row in flat]).reshape(sums.shape[:-1])

    return of
