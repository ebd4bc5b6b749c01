"""The least that a call over HTTP costs: a FastAPI application that reads a body of JSON and answers nothing."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

app = FastAPI()


@app.post("/empty")
async def empty(body: dict[str, Any]) -> dict[str, Any]:
    return {}
