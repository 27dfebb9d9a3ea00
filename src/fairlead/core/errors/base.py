"""Every error that a user can meet, each with a stable code and what to do next."""

from __future__ import annotations

from typing import Any, ClassVar


class FairleadError(Exception):
    """Base of all errors that Fairlead raises on purpose.

    Attributes:
        code: Stable code `FL-nnn`, listed in `docs/reference/errors.md`.
        hint: What to do next.
        ids: The things it happened to, such as `run` or `release`.
    """

    code: ClassVar[str] = "FL-000"
    hint: ClassVar[str] = "Report this as a bug, with the message."

    def __init__(self, message: str, **ids: str) -> None:
        super().__init__(message)
        self.message = message
        self.ids = ids

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def __reduce__(self) -> tuple[Any, ...]:
        return (error_from_json, (self.to_json(),))

    def to_json(self) -> dict[str, Any]:
        """Return the error as JSON, so that it survives a journal or a pipe."""
        return {"code": self.code, "message": self.message, "ids": dict(self.ids)}


def error_from_json(data: dict[str, Any]) -> FairleadError:
    """Rebuild an error from `FairleadError.to_json`; an unknown code gives the base class."""
    cls = error_classes().get(str(data["code"]), FairleadError)
    return cls(str(data["message"]), **{str(k): str(v) for k, v in data["ids"].items()})


def error_classes() -> dict[str, type[FairleadError]]:
    """Return every error class by its code."""
    found: dict[str, type[FairleadError]] = {}
    todo: list[type[FairleadError]] = [FairleadError]
    while todo:
        cls = todo.pop()
        found.setdefault(cls.code, cls)
        todo.extend(cls.__subclasses__())
    return found
