"""What a caller is told when a request cannot be answered, always in one shape."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

# More of them would tell no more about what to mend.
MOST_TOLD = 20
_LONGEST_NAME = 80


class Told(BaseModel):
    """One thing to know about a request."""

    row: int | None = Field(description="Position of the row in the request, from 0.")
    field: str | None = Field(description="The column, parameter or header.")
    message: str


class Errors(BaseModel):
    """Why a request was not answered."""

    detail: list[Told]


@dataclass(eq=False)
class Refusal(Exception):
    """A request that is not answered: the status, and what is told."""

    status: int
    told: list[Told]
    retry_after: int | None = None

    @classmethod
    def of(
        cls,
        status: int,
        message: str,
        *,
        row: int | None = None,
        field: str | None = None,
        retry_after: int | None = None,
    ) -> Refusal:
        """A refusal for one reason."""
        return cls(status, [Told(row=row, field=field, message=message)], retry_after)

    def response(self) -> JSONResponse:
        """The refusal as JSON."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status == 401:
            headers["WWW-Authenticate"] = "X-API-Key"
        told = [one.model_dump() for one in self.told]
        return JSONResponse({"detail": told}, self.status, headers)


def shown(name: str) -> str:
    """A name that a caller chose, short, and such that any answer can hold it."""
    safe = name.encode("utf-8", "replace").decode("utf-8")
    return safe if len(safe) <= _LONGEST_NAME else safe[:_LONGEST_NAME] + "..."
