"""What became of a report."""

from __future__ import annotations

from pydantic import Field

from selector_api.web.schemas.common import Answer, example


class PlaceView(Answer):
    """Where a report stands among those of its client's outbox (see `X-Bots-Outbox`)."""

    model_config = example(incarnation="6f1c0d2e9b7a4c35", number=17, taken=[[3, 17]])

    incarnation: str = Field(description="Another one if the run was deleted and made anew")
    number: int = Field(description="From 1")
    taken: list[tuple[int, int]] = Field(
        default=[],
        description="Which of the outbox's reports are in the run's log, those of this receipt and of others: the "
        "first number and the last of each stretch. One that was acknowledged and is not among them Redis has lost",
    )


class ReceiptView(Answer):
    """What became of a report."""

    model_config = example(
        selection="s121-5f0c9b1e",
        accepted=31,
        duplicates=0,
        differing=0,
        differing_tasks=[],
        dropped=1,
        remaining=0,
        committed=True,
        step=121,
        place={"incarnation": "6e1f4a9c02d7b358", "number": 121, "taken": [[1, 121]]},
    )

    selection: str | None
    accepted: int = Field(description="Outcomes that are new")
    duplicates: int = Field(description="Outcomes and drops that stand already, as they were sent again")
    differing: int = Field(
        description="Outcomes and drops of tasks for which another stands; the first counts"
    )
    differing_tasks: list[str] = Field(description="Up to ten of them")
    dropped: int = Field(description="Drops that are new")
    remaining: int = Field(description="Tasks of the selection without an outcome or a drop")
    committed: bool = Field(
        description="Whether a commit has let the outcomes enter the posteriors; an evaluation does without one"
    )
    step: int = Field(description="Commits so far")
    place: PlaceView | None = Field(default=None, description="Only with `X-Bots-Outbox`")
