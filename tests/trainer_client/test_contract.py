"""What the fake takes is what the service takes."""

from pathlib import Path

from tests.trainer_client.generate_contract import CONTRACT, ROOT, write_contract


def test_the_contract_is_current(tmp_path: Path):
    write_contract(tmp_path)
    kept = ROOT.joinpath(*CONTRACT.split("."))
    texts = [{file.name: file.read_text() for file in folder.glob("*.py")} for folder in (kept, tmp_path)]
    assert texts[0] == texts[1], "run: python -m tests.trainer_client.generate_contract"
