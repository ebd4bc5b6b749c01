"""docs/openapi.json: what clients are made from. `python -m tests.web.openapi` writes it anew."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import Mock

from selector_api.settings import Settings
from selector_api.web.app import create_app
from selector_api.web.drain import Drain

PATH = Path(__file__).parents[2] / "docs" / "openapi.json"


def document() -> str:
    """The OpenAPI document as the file holds it."""
    app = create_app(Settings(), Mock(), Drain())
    return json.dumps(app.openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(document(), encoding="utf-8")
