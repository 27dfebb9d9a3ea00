"""A call is one crossing of the boundary by a run; a result is how it came back."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Literal, TypeAlias

from fairlead.core.digests import Json, digest
from fairlead.core.guarding import Check
from fairlead.core.label import Labels, label_from_json, label_to_json

CallKind: TypeAlias = Literal["model", "tool", "retrieval", "memory", "step", "child"]
Effect: TypeAlias = Literal["read", "idempotent", "once"]


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a run asks of the outside.

    Attributes:
        run_id: The run that makes the call.
        number: Position in the run, from 1; the same on every replay.
        kind: What is called.
        name: Name of the model, tool or collection, or what is done with memory.
        arguments: JSON arguments as they are recorded; their digest is compared on replay.
        given: What the body gets, when `arguments` lack a secret of it; None when they are whole.
        effect: `read` may be repeated, `idempotent` may be repeated under its key, `once` may not.
        lineage: Root of the run's lineage, so that a fork keeps the keys of what it inherits.
        root_id: The oldest of the run's family, on which is counted what all of it uses;
            empty for the run itself.
        business_key: What the contract names as key, in place of the position; empty for none.
        excess: Which bound its arguments break; they are left out then, and it is refused. Empty
            for none.
        leaked: Kinds of the secrets that `arguments` lack and the body gets; empty for none.
    """

    run_id: str
    number: int
    kind: CallKind
    name: str
    arguments: Json
    effect: Effect
    lineage: str
    root_id: str = ""
    business_key: str = ""
    excess: str = ""
    given: Json = field(default=None, repr=False)
    leaked: tuple[str, ...] = ()

    @property
    def actual(self) -> Json:
        """The arguments that the body gets: whoever judges a call judges these."""
        return self.arguments if self.given is None else self.given

    @property
    def key(self) -> str:
        """The idempotency key: the contract's own, else lineage and logical position."""
        return self.business_key or f"{self.lineage}:{self.number}"

    @cached_property
    def arguments_digest(self) -> str:
        """Digest of what is called and with what; they do not change while the call is made."""
        return digest([self.kind, self.name, self.arguments])


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a call used."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0


Found: TypeAlias = Literal["executed", "ledger", "reconciled"]


@dataclass(frozen=True, kw_only=True)
class Done:
    """The call returned a value.

    Attributes:
        value: The value.
        usage: What it used.
        found: `executed`; or where the value comes from without an execution: `ledger` when the
            effect was on record under its key, `reconciled` when the probe found it outside.
        served_by: Id of the model that answered, as its provider says; empty for other kinds.
        labels: Labels of the value by field; see `core/label.py`.
        checks: The tool guardrails that failed on it and did not stop it.
    """

    value: Json
    usage: Usage = field(default_factory=Usage)
    found: Found = "executed"
    served_by: str = ""
    labels: Labels = field(default_factory=dict)
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The call was denied before anything was executed."""

    code: str
    reason: str
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The call was executed and failed, or could not be; another try is no use or not allowed.

    Attributes:
        code: The error's code.
        reason: What its error says.
        checks: The tool guardrails that failed on it.
        labels: Labels of the reason, when what was called may have written it; empty otherwise.
    """

    code: str
    reason: str
    checks: tuple[Check, ...] = ()
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RetryAt:
    """The call failed, or must wait its turn; the run sleeps durably and asks again.

    Attributes:
        delay_s: Seconds to wait.
        reason: The error of the last try, or what is waited for.
        place: The place that is reserved in the rate of what is called, in seconds since 1970;
            None for none.
    """

    delay_s: float
    reason: str
    place: float | None = None


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """A `once` call may or may not have happened; the run waits until somebody knows."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Ask:
    """The policies want a person to agree first; the run waits durably and asks again.

    Attributes:
        reason: The rules that want it.
        role: Who may answer.
        within_s: Seconds for which the question stands.
    """

    reason: str
    role: str
    within_s: float


Result: TypeAlias = Done | Refused | Failed | RetryAt | Unknown | Ask

ON_THE_WAY = RetryAt | Ask
"""What is no end of a call: the run waits, and the call goes on after that."""

_TYPES: dict[str, type] = {
    "done": Done,
    "denied": Refused,
    "failed": Failed,
    "retry": RetryAt,
    "unknown": Unknown,
    "ask": Ask,
}
_NAMES = {cls: name for name, cls in _TYPES.items()}
_FIELDS = {cls: tuple(one.name for one in fields(cls)) for cls in _NAMES}
_USAGE_FIELDS = tuple(one.name for one in fields(Usage))


def result_state(result: Result) -> str:
    """Return a result's state as one word: done, denied, failed, retry, unknown or ask."""
    return _NAMES[type(result)]


def result_to_json(result: Result) -> dict[str, Json]:
    """Return a result as JSON for the journal."""
    data = {"state": result_state(result)} | {
        name: getattr(result, name) for name in _FIELDS[type(result)]
    }
    if isinstance(result, Done):
        # By hand: `asdict` would copy the whole value, which may be large.
        usage = result.usage
        data["usage"] = {name: getattr(usage, name) for name in _USAGE_FIELDS}
    if isinstance(result, Done | Failed):
        data["labels"] = {path: label_to_json(label) for path, label in result.labels.items()}
    checks = data.pop("checks", ())
    if checks:
        data["checks"] = [asdict(check) for check in checks]
    return data


def result_from_json(data: dict[str, Json]) -> Result:
    """Rebuild a result from the journal."""
    fields = {name: value for name, value in data.items() if name != "state"}
    if data["state"] == "done":
        fields["usage"] = Usage(**fields["usage"])
    if data["state"] in ("done", "failed"):
        named = fields.get("labels") or {}
        fields["labels"] = {path: label_from_json(label) for path, label in named.items()}
    if "checks" in fields:
        fields["checks"] = tuple(Check(**check) for check in fields["checks"])
    result: Result = _TYPES[data["state"]](**fields)
    return result


RAW_CHARS_MAX = 20_000
"""Most characters of a reason in which secrets are looked for, before it is cut: a secret that was
cut is not known any more."""


def cut(text: str, limit: int = 500) -> str:
    """Bound a reason that comes from outside, and make it sound Unicode.

    Args:
        text: Any text.
        limit: Most characters to keep.
    """
    sound = text.encode(errors="replace").decode()
    return sound if len(sound) <= limit else sound[: limit - 1] + "…"


def uncut(text: str) -> str:
    """Return a reason in which secrets are still looked for: bounded, and cut after that.

    Args:
        text: What somebody says who may quote anything.
    """
    return cut(text, RAW_CHARS_MAX)
