"""Pages in a real browser: Chromium without a window, several widths at once."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = (
    "--headless --hide-scrollbars --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --enable-logging=stderr --virtual-time-budget=3000 --dump-dom"
)

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


def told_by_frames(folder: Path, pages: Sequence[str], widths: Sequence[int], script: str) -> str:
    """What a script says of every page at every width, as "width: said; width: said".

    The pages are frames of one page, so that their widths are exact, and are measured from inside the browser. Nothing may be
    written to its console.

    Args:
        folder: that holds the pages; the frames and the browser's profile are written there, too.
        script: the body of a function of the ``frame`` and its ``page`` that returns what is to be told.
    """
    whole = f"""
    const told = [];
    const ask = (frame, page) => {{ {script} }};
    addEventListener("load", () => setTimeout(() => {{
      for (const frame of document.querySelectorAll("iframe")) {{
        for (const details of frame.contentDocument.querySelectorAll("details")) details.open = true;
        told.push(`${{frame.width}}: ${{ask(frame, frame.contentDocument)}}`);
      }}
      document.title = told.join("; ");
    }}, 500));
    """
    frames = "".join(
        f'<iframe src="{page}" width="{width}" height="800"></iframe>' for page in pages for width in widths
    )
    (folder / "frames.html").write_text(f"<!doctype html><script>{whole}</script>{frames}")
    document, console = _opened(folder / "frames.html", folder / "profile")
    assert "CONSOLE" not in console
    title = re.search("<title>(.*)</title>", document)
    assert title, document[:500]
    return title[1]


def _opened(page: Path, profile: Path) -> tuple[str, str]:
    """The document when its scripts are done, and the console. What the browser starts is stopped with it, whatever happens."""
    arguments = [CHROMIUM or "", *QUIET.split(), "--allow-file-access-from-files", f"--user-data-dir={profile}"]
    browser = subprocess.Popen(
        [*arguments, page.as_uri()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said = browser.communicate(timeout=120)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(browser.pid, signal.SIGKILL)
    assert browser.returncode == 0, said[1]
    return said
