"""The answer to a request, and its type for the description of the service."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from focaltab.serving._batches import Scored
from focaltab.serving._refusal import Told
from focaltab.serving._rows import Rows
from focaltab.serving._scorer import Scorer

# More of them are counted, not named.
_MOST_WARNINGS = 100
_Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class Health(BaseModel):
    """Which model is ready."""

    status: Literal["ready"]
    model: str = Field(description="Class of the model.")
    digest: str = Field(description="What focaltab.save returned.")
    focaltab: str = Field(description="Version that serves it.")


class GivenReason(BaseModel):
    """What a column adds to a row's log-odds."""

    feature: str
    direction: Literal["raises", "lowers"]
    contribution: float
    reason: str


def answer_type(scorer: Scorer) -> type[BaseModel]:
    """The type of an answer by this model."""
    label: Any = str | int | float | bool
    if scorer.positive_place is None:
        stated: dict[str, Any] = {
            "probabilities": (
                dict[str, _Probability],
                Field(description="Of each label, as text."),
            )
        }
    else:
        told = f"Of the label {scorer.positive!r}."
        stated = {"probability": (_Probability, Field(description=told))}
    prediction: Any = create_model(
        "Prediction",
        **stated,
        label=(label, Field(description="What the model itself decides.")),
        # Left out where nobody asked for them.
        reasons=(list[GivenReason], Field(default_factory=list)),
    )
    return create_model(
        "Answer",
        __config__=ConfigDict(protected_namespaces=()),
        model=(str, Field(description="Digest of the model.")),
        predictions=(list[prediction], Field(description="One for each row, in order.")),
        warnings=(list[Told], Field(description="Names that training did not have.")),
    )


def answered(scorer: Scorer, digest: str, rows: Rows, scored: Scored) -> bytes:
    """The body of an answer; its numbers are those of the model to the last digit."""
    probability, labels = scored.scores
    place = scorer.positive_place
    if place is None:
        names = [str(label) for label in scorer.classes]
        predictions = [
            {"probabilities": dict(zip(names, stated, strict=True)), "label": label}
            for stated, label in zip(probability.tolist(), labels, strict=True)
        ]
    else:
        predictions = [
            {"probability": stated, "label": label}
            for stated, label in zip(probability[:, place].tolist(), labels, strict=True)
        ]
    if scored.reasons is not None:
        for prediction, reasons in zip(predictions, scored.reasons, strict=True):
            prediction["reasons"] = [reason._asdict() for reason in reasons]
    answer = {
        "model": digest,
        "predictions": predictions,
        "warnings": [told.model_dump() for told in _warnings(scorer, rows)],
    }
    return json.dumps(answer, allow_nan=False, separators=(",", ":")).encode("ascii")


def _warnings(scorer: Scorer, rows: Rows) -> list[Told]:
    named = [
        Told(
            row=row,
            field=column.name,
            message=f"is an unseen category: scored as {column.unseen_as}.",
        )
        for row, place in rows.unseen[:_MOST_WARNINGS]
        for column in (scorer.columns.of[place],)
    ]
    others = len(rows.unseen) - len(named)
    if others:
        message = f"{others:,} further values are unseen categories."
        named.append(Told(row=None, field=None, message=message))
    return named
