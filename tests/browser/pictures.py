"""The pictures in docs/how-to/pictures: `python -m tests.browser.pictures`, of `bots view --demo`."""

from __future__ import annotations

import io
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM

FOLDER = Path(__file__).parents[2] / "docs" / "how-to" / "pictures"
PLACES = {
    "runs": "#/",
    "run": "#/runs/demo-rasch",
    "tasks": "#/runs/demo-rasch/tasks?sort=streak",
    "task": "#/runs/demo-bots/tasks/code%2F0000",
    "compare": "#/compare/demo-bots/demo-rasch/demo-random",
}
DESK = {"width": 1280, "height": 800}
SCREENS: dict[str, dict[str, Any]] = {
    "light": {"viewport": DESK, "color_scheme": "light"},
    "dark": {"viewport": DESK, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "is_mobile": True},
}
_COLOURS = 128


def main() -> None:
    """Take them all."""
    path = next(filter(None, map(shutil.which, CHROMIUM)))
    command = [str(Path(sys.executable).with_name("bots")), "view", "--demo"]
    FOLDER.mkdir(exist_ok=True)
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served,
        sync_playwright() as playwright,
    ):
        assert served.stdout is not None
        found = re.match(r"(http://\S+)/ ", served.stdout.readline())
        assert found is not None
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for screen, options in SCREENS.items():
            page = browser.new_context(**options).new_page()
            page.set_default_timeout(120_000)
            for name, place in PLACES.items():
                page.goto(f"{found[1]}/{place}")
                page.wait_for_selector("main:not([aria-busy])")
                page.wait_for_selector("tbody tr")
                page.wait_for_timeout(1500)
                save(page.screenshot(), FOLDER / f"{name}-{screen}.png")
        browser.close()
        served.send_signal(signal.SIGINT)


def save(picture: bytes, path: Path) -> None:
    """Write a picture with few colours, which is a fifth of its size."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
