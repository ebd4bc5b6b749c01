"""What the fake and the client take is what the service takes."""

from pathlib import Path
from typing import get_args

from selector_api.web.routes.run_evidence import Sort
from tests.trainer_client.generate_contract import CONTRACT, ROOT, write_contract
from trainer_client.models import PosteriorOrder


def test_the_contract_is_current(tmp_path: Path):
    write_contract(tmp_path)
    kept = ROOT.joinpath(*CONTRACT.split("."))
    texts = [{file.name: file.read_text() for file in folder.glob("*.py")} for folder in (kept, tmp_path)]
    assert texts[0] == texts[1], "run: python -m tests.trainer_client.generate_contract"


def test_posteriors_have_the_same_orders():
    assert get_args(PosteriorOrder) == get_args(Sort)
