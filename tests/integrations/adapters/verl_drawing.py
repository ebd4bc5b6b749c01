"""Draws rows by what the adapters of verl share, as many as its second argument says."""

# pyright: basic, reportMissingImports=false

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

from omegaconf import OmegaConf

from trainer_client.integrations.verl_rows import SelectedRows


def main(file: Path, rows: int) -> None:
    settings = json.loads(file.read_text())
    data_set = SimpleNamespace(dataframe={"extra_info": [{"index": task} for task in settings["tasks"]]})
    selected = SelectedRows(data_set, OmegaConf.create(settings["data"]), settings["batch_size"])
    for _ in range(rows):
        print("drew", selected.next(), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
