"""Every document: links lead somewhere, and lines are short."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.generate.schema import WIDTH, anchor

ROOT = Path(__file__).parents[2]
DOCUMENTS = [str(path.relative_to(ROOT)) for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])]

_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^()\s]+)\)")


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def links(document: str) -> Iterator[str]:
    """Where its links lead, but for those to other hosts."""
    return (link for link in _LINK.findall(_CODE.sub("", text_of(document))) if "://" not in link)


def anchors(document: str) -> set[str]:
    """The anchors of its headings, as GitHub names them."""
    found: set[str] = set()
    text = re.sub(r"^```.*?^```", "", text_of(document), flags=re.DOTALL | re.MULTILINE)
    for heading in re.findall(r"^#+ +(.*)$", text, re.MULTILINE):
        name = anchor(heading)
        found.add(next(each for each in (name, *(f"{name}-{n}" for n in range(1, 100))) if each not in found))
    return found


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    for link in links(document):
        path, _, fragment = link.partition("#")
        target = (ROOT / document).parent / path if path else ROOT / document
        assert target.exists(), link
        assert not fragment or fragment in anchors(str(target)), link


@pytest.mark.parametrize("document", DOCUMENTS)
def test_lines_are_short(document: str) -> None:
    """Tables may be wider, and so may what a link adds to its text, and what `bots experiment report` writes."""
    wide = [
        number
        for number, line in enumerate(text_of(document).splitlines(), 1)
        if len(_LINK.sub("]", line)) > WIDTH and not line.startswith("|")
    ]
    assert wide == [] or document.endswith("/report.md")


def test_every_document_is_reached_from_the_first() -> None:
    reached = set[str]()
    waiting = ["README.md", "AGENTS.md", "CHANGELOG.md"]
    while waiting:
        document = waiting.pop()
        reached.add(document)
        for link in links(document):
            target = ((ROOT / document).parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and (name := str(target.relative_to(ROOT))) not in reached:
                waiting.append(name)
    assert set(DOCUMENTS) <= reached


@pytest.mark.parametrize("folder", ["docs/how-to", "docs/reference"])
def test_every_page_leads_to_the_glossary(folder: str) -> None:
    pages = [path for path in (ROOT / folder).glob("*.md") if path.name != "glossary.md"]
    assert pages
    assert [page.name for page in pages if not any("glossary.md" in each for each in links(str(page)))] == []
