"""``make pictures``: the pages of a run on the demo's pool, as small pictures for scripts/results/.

Needs Chromium, which the tests of the pages in tests/browser need too.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

RESULTS = Path(__file__).parent / "results"

#: Picture → page, height in pixels, further options of Chromium.
PICTURES = {
    "report-light.png": ("subset/report.html", 1000, ()),
    "report-dark.png": ("subset/report.html", 1000, ("--force-dark-mode",)),
    "explain.png": ("why.html", 640, ()),
}

_WIDTH = 900

#: Less than 1 keeps the files small.
_SCALE = 0.8


def main() -> None:
    """Make the run and take the pictures."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if chromium is None:
        sys.exit("make pictures needs Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run_zipsel(folder, "demo --output . --quiet")
        _run_zipsel(
            folder,
            "select pool/ --target target.jsonl --output subset/ --max-bytes 200kB "
            "--group-field kind --quiet",
        )
        _run_zipsel(folder, "explain --run subset --top 2 --html why.html")
        for picture, (page, height, options) in PICTURES.items():
            shown = [f"--window-size={_WIDTH},{height}", f"--force-device-scale-factor={_SCALE}"]
            subprocess.run(
                [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                 *shown, *options, f"--screenshot={RESULTS / picture}", f"file://{folder / page}"],
                check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            sys.stdout.write(f"{RESULTS / picture}: {(RESULTS / picture).stat().st_size:,} bytes\n")


def _run_zipsel(folder: Path, arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "zipsel", *arguments.split()], cwd=folder, check=True)


if __name__ == "__main__":
    main()
