"""The part of `omma evaluate` that is for image tokenizers: pictures, read and painted again; reconstruction.json and
reconstruction.html."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from omma import __version__
from omma.commands.progress import Clock, Display
from omma.commands.what_paints import WhatPaints
from omma.evaluation.drawing.codes import code_use
from omma.evaluation.environment import Environment
from omma.evaluation.reconstruction.features import Features
from omma.evaluation.reconstruction.measure import held_out, measure, scene_reading, without_places, world_fidelity
from omma.evaluation.reconstruction.page import reconstruction_page, write_reconstruction_page
from omma.evaluation.reconstruction.results import CodesInUse, ReconstructionResults, write_reconstruction_results
from omma.evaluation.report.numbers import percent, points, points_span, span
from omma.parts.quantizers.lfq import Lfq
from omma.parts.quantizers.multi_scale import MultiScale
from omma.parts.tokenizers import Autoencoder, ImageTokenizer
from omma.parts.tokenizers.diffuser import Diffuser
from omma.recipe import ReconstructionRecipe


def evaluate_reconstruction(
    settings: ReconstructionRecipe, seed: int, paints: WhatPaints, out: Path, console: Console
) -> ReconstructionResults:
    """Let an image tokenizer read and paint fresh pictures.

    Args:
        seed: which scenes.
        out: where reconstruction.json and reconstruction.html go.

    Raises:
        BadInput: for worlds without pictures, a network that cannot be had, or a place that cannot be written.
    """
    tokenizer = paints.tokenizer
    pictures = held_out(settings.worlds, settings.pictures, seed=seed)
    features = None if settings.network is None else Features(settings.network.build(load_weights=True))
    console.print(
        f"Painting {len(pictures):,} fresh pictures of {', '.join(settings.worlds)} again.", highlight=False, soft_wrap=True
    )
    clock = Clock()
    with Display(console) as display:
        measured = measure(
            tokenizer,
            paints.resolution,
            pictures,
            batch=settings.batch,
            features=features,
            progress=lambda done, total: display.update("pictures", done, total, clock.left(done, total)),
        )
    codes = _codes_of_a_picture(tokenizer, paints.size, measured.codes)
    results = ReconstructionResults(
        model=paints.name,
        command=shlex.join(["omma", *sys.argv[1:]]),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        omma=__version__,
        seed=seed,
        tokenizer=in_words(tokenizer),
        parameters=sum(parameter.numel() for parameter in tokenizer.parameters()),
        size=paints.size,
        vocabulary=tokenizer.vocabulary,
        codes=codes,
        bits=codes * math.log2(tokenizer.vocabulary) if tokenizer.vocabulary else None,
        network=None if features is None else features.name,
        worlds=world_fidelity(measured),
        reading=scene_reading(measured.pictures),
        use=codes_in_use(tokenizer, measured.codes),
        pictures_per_second=measured.pictures_per_second,
        batch=settings.batch,
        environment=Environment.current(accelerator=torch.cuda.get_device_name() if torch.cuda.is_available() else None),
        pictures=tuple(measured.pictures),
    )
    write_reconstruction_results(results, out / "reconstruction.json")
    write_reconstruction_page(reconstruction_page(results, measured), out / "reconstruction.html")
    _show(results, out, console)
    return results


def in_words(tokenizer: ImageTokenizer) -> str:
    """What it is in one line."""
    return tokenizer.in_words() if isinstance(tokenizer, Autoencoder | Diffuser) else str(tokenizer.config.type)


def _codes_of_a_picture(tokenizer: ImageTokenizer, size: tuple[int, int], codes: Sequence[np.ndarray]) -> float:
    if not codes:
        return float(tokenizer.length(size))
    return without_places(codes).size / sum(len(part) for part in codes)


def codes_in_use(tokenizer: ImageTokenizer, codes: Sequence[np.ndarray]) -> tuple[CodesInUse, ...]:
    """Of all codes [N, T] of several batches, and of those in several scales also scale by scale."""
    if not codes:
        return ()
    quantizer = getattr(tokenizer, "quantizer", None)
    groups: list[tuple[int | None, np.ndarray]] = [(None, without_places(codes))]
    if isinstance(quantizer, MultiScale):
        maps = quantizer.maps(torch.from_numpy(np.concatenate(codes)))
        groups += [(side, part.numpy().ravel()) for side, part in zip(quantizer.config.scales, maps, strict=True)]
    found = []
    for side, group in groups:
        use = code_use(group, tokenizer.vocabulary)
        found.append(
            CodesInUse(
                side=side,
                read=group.size,
                used=use.used,
                dead=tokenizer.vocabulary - round(use.used * tokenizer.vocabulary),
                perplexity=use.perplexity,
                bits_in_balance=use.bits_in_balance if isinstance(quantizer, Lfq) else None,
            )
        )
    return tuple(found)


def _show(results: ReconstructionResults, out: Path, console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("world")
    for column in ("pictures", "PSNR", "95% interval", "SSIM", "95% interval"):
        table.add_column(column, justify="right")
    if results.network is not None:
        table.add_column("Fréchet", justify="right")
        table.add_column("kernel", justify="right")
    for one in results.worlds:
        distances = () if one.frechet is None or one.kernel is None else (f"{one.frechet:.4g}", f"{one.kernel:.3g}")
        table.add_row(
            one.world, f"{one.pictures:,}", f"{one.psnr.value:.2f}", f"{one.psnr.low:.2f} to {one.psnr.high:.2f}",
            f"{one.ssim.value:.3f}", f"{one.ssim.low:.3f} to {one.ssim.high:.3f}", *distances,
        )  # fmt: skip
    console.print(table)
    said = []
    if (reading := results.reading) is not None:
        apart = f"{points(reading.difference.value)} points ({points_span(reading.difference)})"
        said.append(
            f"Scenes read back exactly: {percent(reading.painted.value)} % ({span(reading.painted)}), of the originals "
            f"{percent(reading.originals.value)} %, {apart}."
        )
    if results.use:
        whole = results.use[0]
        said.append(f"{percent(whole.used)} % of {results.vocabulary:,} codes in use, perplexity {whole.perplexity:,.1f}.")
    said.append(f"{results.pictures_per_second:.1f} pictures per second.")
    said.append(f"The page is {out / 'reconstruction.html'}, the same figures are in {out / 'reconstruction.json'}.")
    for sentence in said:
        console.print(sentence, highlight=False, soft_wrap=True, markup=False)
