"""How fast omma trains, against the Trainer of transformers: the same model, data, precision and samples per step.

    python benchmarks/training_speed.py            a quarter of an hour on 2 CPU cores without bfloat16
    python benchmarks/training_speed.py --quick    a minute, to see that it works

Three contestants take turns in one process, five rounds long; each number is the median of the five.

* *cached*: omma's loop with packing and cached features of the frozen encoder, as it runs from the second epoch on.
* *encoding*: the same without a cache, so every picture is decoded and encoded in every step.
* *trainer*: `transformers.Trainer` on the very same `OmmaForConditionalGeneration`, padded batches, pixels in every step.

All train projector and language model with AdamW on LLaVA's JSON and a folder of PNGs, one worker process each. A
conversation has one to six questions. Counted are real tokens: padding is not, in either. The first steps of each turn are
not timed: workers start and queues fill.
Written: results/training_speed.json.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.utils import logging

from omma.data.feature_cache import FeatureCache
from omma.data.llava_export import write_llava_json
from omma.data.llava_json import LlavaJson
from omma.data.sources import SOURCES
from omma.model import OmmaProcessor
from omma.model.composition import Composition, compose
from omma.model.processing import processor_of
from omma.model.segments import IGNORE
from omma.objectives.language_modeling import LanguageModelingCollator
from omma.recipe import Recipe, load_recipe
from omma.training.loop import Progress, StageRun, train_stage
from omma.training.precision import multiplies_bf16
from omma.training.run import environment

WORLDS = ("shapes", "documents", "charts", "digits")
RATE = 1e-3
LEARN = ("projector", "language_model")
UNTIMED = 5
"""Steps at the beginning of a turn that are not timed: more than are prepared ahead."""


def benchmark_recipe(folder: Path, *, batch: int, steps: int, precision: str) -> Recipe:
    """LLaVA-1.5 at size small with the shipped parts' architectures, on the folder. Weights are random: speed is the same."""
    parts = {name: load_recipe(f"{name}-small", "small").model for name in ("encoder", "lm")}
    encoder, backbone = parts["encoder"].encoder.to_dict(), parts["lm"].backbone.to_dict()
    source = {"type": "llava-json", "json_file": str(folder / "data.json"), "images": str(folder)}
    fields = {
        "model.encoder": encoder,
        "model.backbone": backbone,
        "stages.instruct.data": [{"source": source}],
        "stages.instruct.learn": [{"pattern": f"{name}.*", "rate": RATE} for name in LEARN],
        "stages.instruct.optimizer": {"type": "adamw"},
        "stages.instruct.batch": batch,
        "stages.instruct.steps": steps,
        "stages.instruct.precision": precision,
        "stages.instruct.checkpoint_every": steps,
    }
    return load_recipe("llava-1.5", "small", [f"{field}={json.dumps(value)}" for field, value in fields.items()])


def write_data(folder: Path, records: int) -> None:
    """Generated conversations of one to six questions about a picture: equal parts of every length from every world."""
    kinds = [{"type": "playground", "world": world, "turns": turns} for turns in range(1, 7) for world in WORLDS]
    sources = [SOURCES.parse(kind, where="source").build() for kind in kinds]
    samples = (sources[i % len(sources)].sample(i) for i in range(records))
    write_llava_json(samples, folder / "data.json", folder)


def model_of(recipe: Recipe) -> Composition:
    """The same weights at every call."""
    torch.manual_seed(0)
    model = compose(recipe.model)
    return model.to("cuda") if torch.cuda.is_available() else model


class Clock:
    """Tokens per second over the timed steps of one turn."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.tokens: list[int] = []

    def tick(self, tokens: int) -> None:
        """A step was finished; ``tokens`` were seen until now."""
        self.times.append(time.perf_counter())
        self.tokens.append(tokens)

    def speed(self) -> float:
        first = UNTIMED - 1
        return (self.tokens[-1] - self.tokens[first]) / (self.times[-1] - self.times[first])

    def seconds_per_step(self) -> float:
        return (self.times[-1] - self.times[UNTIMED - 1]) / (len(self.times) - UNTIMED)


def train_omma(recipe: Recipe, cache: Path | None, *, workers: int = 1) -> Clock:
    """One turn of omma's loop."""
    model = model_of(recipe)
    if cache is not None:
        model.feature_cache = FeatureCache(cache, "benchmark", 4 * 10**9)
    clock = Clock()
    with tempfile.TemporaryDirectory() as directory:
        run = StageRun("instruct", recipe.stages["instruct"], model, Path(directory), seed=0, workers=workers)

        def report(progress: Progress) -> None:
            clock.tick(run.counters.tokens)

        run.report = report
        train_stage(run)
    return clock


class Conversations(Dataset[dict[str, torch.Tensor]]):
    """What people write for the Trainer: every item opens its picture and tokenizes its conversation."""

    def __init__(self, data: LlavaJson, processor: OmmaProcessor) -> None:
        self.data, self.processor = data, processor

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        sample = self.data[index]
        rendered = self.processor.renderer.render(sample)
        pixels = self.processor.image_processor([image.load() for image in sample.images])["pixel_values"]
        return {
            "input_ids": torch.from_numpy(rendered.input_ids),
            "labels": torch.from_numpy(rendered.labels),
            "pixel_values": torch.as_tensor(pixels),
        }


def padded(items: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The usual collator: every row as long as the longest."""
    pad = torch.nn.utils.rnn.pad_sequence
    ids = [item["input_ids"] for item in items]
    return {
        "input_ids": pad(ids, batch_first=True),
        "attention_mask": pad([torch.ones_like(row) for row in ids], batch_first=True),
        "labels": pad([item["labels"] for item in items], batch_first=True, padding_value=IGNORE),
        "pixel_values": torch.cat([item["pixel_values"] for item in items]),
    }


class Ticks(TrainerCallback):
    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.clock.tick(state.num_input_tokens_seen)


def train_peer(recipe: Recipe, folder: Path) -> Clock:
    """One turn of the Trainer."""
    stage = recipe.stages["instruct"]
    model = model_of(recipe)
    assert model.vlm is not None and model.tokenizer is not None
    for name, parameter in model.vlm.named_parameters():
        parameter.requires_grad_(name.startswith(LEARN))
    processor = processor_of(model.vlm.config, model.tokenizer)
    clock = Clock()
    with tempfile.TemporaryDirectory() as directory:
        settings = TrainingArguments(
            output_dir=directory,
            per_device_train_batch_size=stage.batch,
            max_steps=stage.steps,
            learning_rate=RATE,
            lr_scheduler_type="cosine",
            optim="adamw_torch_fused",
            max_grad_norm=stage.optimizer.clip,
            bf16=stage.precision == "bf16",
            use_cpu=not torch.cuda.is_available(),
            dataloader_num_workers=1,
            dataloader_prefetch_factor=4,
            include_num_input_tokens_seen="non_padding",
            remove_unused_columns=False,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        data = Conversations(LlavaJson(folder / "data.json", folder), processor)
        Trainer(model.vlm, settings, data_collator=padded, train_dataset=data, callbacks=[Ticks(clock)]).train()
    return clock


@contextmanager
def timed(owner: type, name: str, seconds: list[float]) -> Iterator[None]:
    """Note how long every call of a method takes."""
    method = getattr(owner, name)

    def measured(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return method(*args, **kwargs)
        finally:
            seconds.append(time.perf_counter() - began)

    with patch.object(owner, name, measured):
        yield


def picture_share(recipe: Recipe, cache: Path) -> float:
    """The share of a step that pictures take with cached features: reading headers and features, and handing them on.

    Everything runs in one process here; with a worker, as in the other measurements, most of it is not waited for.
    """
    seconds: list[float] = []
    with timed(LanguageModelingCollator, "_picture", seconds), timed(Composition, "features", seconds):
        clock = train_omma(recipe, cache, workers=0)
    return sum(seconds) / len(clock.times) / clock.seconds_per_step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    faster = "bf16" if multiplies_bf16(device) else "fp32"
    parser.add_argument(
        "--precision", choices=("bf16", "fp32"), default=faster, help="of both; the faster one here unless given"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "training_speed.json")
    options = parser.parse_args()
    rounds, steps, batch = (1, UNTIMED + 2, 16) if options.quick else (5, UNTIMED + 8, 32)
    logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as temporary:
        folder, cache = Path(temporary) / "data", Path(temporary) / "features"
        write_data(folder, records=8 * batch)
        recipe = benchmark_recipe(folder, batch=batch, steps=steps, precision=options.precision)
        contestants: dict[str, Callable[[], Clock]] = {
            "cached": lambda: train_omma(recipe, cache),
            "encoding": lambda: train_omma(recipe, None),
            "trainer": lambda: train_peer(recipe, folder),
        }
        contestants["cached"]()  # fills the cache
        speeds: dict[str, list[float]] = {name: [] for name in contestants}
        for number in range(rounds):
            for name, turn in contestants.items():
                speeds[name].append(turn().speed())
                gc.collect()
                print(f"round {number + 1}, {name}: {speeds[name][-1]:,.0f} tokens/s", flush=True)
        share = picture_share(recipe, cache)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    results = {
        "about": "Real tokens per second in training; cached and encoding are omma's loop, trainer is transformers.Trainer.",
        "environment": environment(),
        "settings": {"samples_per_step": batch, "timed_steps": steps - UNTIMED, "precision": options.precision},
        "tokens_per_second": {name: [round(value, 1) for value in values] for name, values in speeds.items()},
        "median": {name: round(value, 1) for name, value in medians.items()},
        "ratio_cached": round(medians["cached"] / medians["trainer"], 2),
        "ratio_encoding": round(medians["encoding"] / medians["trainer"], 2),
        "picture_share_of_a_cached_step": round(share, 4),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=1) + "\n")
    print(
        f"{results['ratio_cached']} times as fast as the Trainer with cached features, {results['ratio_encoding']} without; "
        f"pictures take {share:.1%} of a cached step. Written to {options.out}."
    )


if __name__ == "__main__":
    main()
