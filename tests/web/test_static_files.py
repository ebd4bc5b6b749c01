"""The service's own pages: nothing from elsewhere, nothing that a policy forbids, and small."""

from __future__ import annotations

import gzip
import re
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from selector_api.web.static_files import FOLDER, files_of

DASHBOARD = files_of("dashboard")
VENDORED = {
    "dashboard/vendor/uplot.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "dashboard/vendor/uplot.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "swagger/swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger/swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
}
"""SHA-256 of what others have made: uPlot 1.6.32 and swagger-ui-dist 5.35.0, as npm gives them."""
MOST_BYTES = 60_000


@pytest.mark.parametrize("name", VENDORED)
def test_what_others_made_is_as_they_made_it_and_has_its_licence(name: str) -> None:
    path = FOLDER / name
    assert sha256(path.read_bytes()).hexdigest() == VENDORED[name]
    assert any("LICENSE" in other.name for other in path.parent.iterdir())


def test_the_dashboard_is_small() -> None:
    sizes = {
        name: len(gzip.compress(path.read_bytes(), 9))
        for name, path in DASHBOARD.items()
        if path.suffix != ".txt"
    }
    assert sum(sizes.values()) <= MOST_BYTES, sizes


@pytest.mark.parametrize("name", [name for name in DASHBOARD if not name.startswith("vendor/")])
def test_it_names_no_address_outside_and_nothing_inline(name: str) -> None:
    text = DASHBOARD[name].read_text()
    addresses = set(re.findall(r"\b(?:https?|wss?|ftp):[^\s\"'`<>)]*", text))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # the name of SVG, which nobody asks
    assert not re.search(r"[\"'(]//\w|@import|\beval\(|new Function|innerHTML|document\.write", text)
    if name.endswith(".html"):
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text)


@pytest.mark.parametrize("folder", ["dashboard", "swagger"])
def test_a_page_names_files_that_are_there(folder: str) -> None:
    page = files_of(folder)["index.html"].read_text()
    known = {f"dashboard/{name}" for name in DASHBOARD} | {f"docs/{name}" for name in files_of("swagger")}
    named = set(re.findall(r"(?:src|href)=\"([^\"#]+)\"", page))
    assert named - {"docs"} <= known
    assert named


def test_the_modules_import_files_that_are_there() -> None:
    for name, path in DASHBOARD.items():
        for other in re.findall(r"from \"\./([^\"]+)\"", path.read_text()):
            assert other in DASHBOARD, (name, other)


@pytest.mark.parametrize("page", ["/", "/docs"])
def test_a_page_may_load_and_ask_only_what_is_here(http: httpx.Client, page: str) -> None:
    answer = http.get(page)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("address", "path"),
    [
        *((f"/dashboard/{name}", path) for name, path in DASHBOARD.items() if name != "index.html"),
        *((f"/docs/{name}", path) for name, path in files_of("swagger").items() if name != "index.html"),
    ],
)
def test_each_file_is_sent_as_it_is_and_once(http: httpx.Client, address: str, path: Path) -> None:
    answer = http.get(address)
    assert (answer.status_code, answer.headers["Content-Encoding"]) == (200, "gzip")
    assert answer.content == path.read_bytes()
    assert "Content-Security-Policy" in answer.headers
    again = http.get(address, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = http.get(address, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert plain.content == path.read_bytes()
    assert http.head(address).headers["ETag"] == answer.headers["ETag"]


@pytest.mark.parametrize(
    "address", ["/dashboard/static_files.py", "/dashboard/../app.py", "/dashboard/vendor", "/docs/x"]
)
def test_nothing_else_is_there(http: httpx.Client, address: str) -> None:
    assert http.get(address).status_code == 404
