"""Tesseract, which reads print and answers no questions: what a model that is asked to read out a line stands beside."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from omma.data.sample import ImageSource, Sample
from omma.errors import BadInput
from omma.model.output import Output

SECONDS = 60
"""What it may take over a picture."""


class Tesseract:
    """An `omma.evaluation.Answerer`: what the program of that name reads in the last picture; nothing where there is none.

    Args:
        language: whose letters and words it expects, by Tesseract's name ("eng").
        layout: its page segmentation mode: 7 takes a picture for one line of text, 6 for one block, 3 finds lines itself.
        enlarge: how many times larger it is shown a picture. It was made for scans of 300 dots an inch, whose print is some
            30 pixels high.

    Raises:
        BadInput: if there is no such program, or it lacks the language.
    """

    def __init__(self, language: str, *, layout: int = 7, enlarge: int = 1) -> None:
        if type(layout) is not int or type(enlarge) is not int or not (0 <= layout <= 13 and 1 <= enlarge <= 8):
            raise BadInput(
                f"model tesseract:{language}",
                expected="layout from 0 to 13, enlarge from 1 to 8",
                found=f"{layout} and {enlarge}",
                remedy="see tesseract --help-psm",
            )
        self.language, self.layout, self.enlarge = language, layout, enlarge
        self.program = shutil.which("tesseract")
        if self.program is None:
            raise BadInput(
                f"model tesseract:{language}",
                expected="the program tesseract",
                found="none on the path",
                remedy="install it (Debian, Ubuntu: apt install tesseract-ocr)",
            )
        found = self._run("--list-langs").stdout.decode().split("\n")[1:]
        if language not in found:
            raise BadInput(
                f"model tesseract:{language}",
                expected=f"a language that is installed ({', '.join(filter(None, found))})",
                found=language or "none",
                remedy="install it, or name another",
            )
        self.version = self._run("--version").stdout.decode().split("\n")[0]

    def answer(self, prompts: Sequence[Sample]) -> list[Output]:
        """One reply per prompt, in order. Raises BadInput for a picture that cannot be read."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(self._answer, prompts))

    def _answer(self, prompt: Sample) -> Output:
        if not prompt.images:
            return Output("")
        options = ("-l", self.language, "--psm", str(self.layout))
        try:
            read = self._run("stdin", "stdout", *options, shown=self._png(prompt.images[-1]))
        except subprocess.TimeoutExpired:
            return Output(None, "failed", f"nothing was read within {SECONDS} seconds")
        if read.returncode:
            return Output(None, "failed", " ".join(read.stderr.decode(errors="replace").split())[:300])
        return Output(" ".join(read.stdout.decode(errors="replace").split()))

    def _png(self, image: ImageSource) -> bytes:
        picture = image.load()
        size = picture.width * self.enlarge, picture.height * self.enlarge
        written = io.BytesIO()
        picture.resize(size, Image.Resampling.BICUBIC).save(written, "PNG")
        return written.getvalue()

    def _run(self, *arguments: str, shown: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        assert self.program is not None
        # Its own threads gain nothing on pictures this small, and several pictures are read at a time.
        environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
        return subprocess.run(
            [self.program, *arguments], input=shown, capture_output=True, timeout=SECONDS, env=environment, check=False
        )
