"""What stands between a release and an environment: its gates' evidence, people, and the time.

The same is asked before a release is activated or a rollout starts, and before each step that gives
it more traffic. What cannot be decided does not pass: only a success does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from fairlead.core.environments import APPROVAL, CHECK, DRILL, EnvironmentRules
from fairlead.core.identity import Principal, Role
from fairlead.core.release import Release
from fairlead.delivery.gate import CheckRun, Conclusion
from fairlead.ports.releases import Evidence

FREEZE = "freeze"
"""Name of the gate that looks at the time; it is asked wherever the rules name a freeze."""

WORDS_MAX = 1000
"""People whose last word on one release is looked at, those who denied it first."""

ROLES = "roles"
"""Among the figures of a person's word: the roles that they had; None for whoever had no token."""

DRILLS_MAX = 100
"""Drills of one release that are looked at, the newest ones."""

PREVIOUS = "previous"
"""Among the figures of a drill's evidence: digest of the release to which it went back."""

AHEAD_S = 300.0
"""Seconds by which the clock that evidence was stored by may be ahead."""

_KNOWN: dict[str, Conclusion] = {
    "success": "success",
    "failure": "failure",
    "neutral": "neutral",
    "skipped": "skipped",
    "timed_out": "timed_out",
    "action_required": "action_required",
}

Kept = Callable[[str, int], Sequence[Evidence]]
"""Returns a gate's evidence on the release, the newest first, and at most so much; of approvals the
newest of each person."""


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A release that is to go to an environment.

    Attributes:
        release: The release.
        environment: The environment.
        rules: What it asks.
        asker: Whom a token names as the one who asks; empty when none does, None while nobody
            asks: somebody only looks.
        now: Seconds since 1970.
        previous: Digest of the release to which a rollback from there would go; empty for none.
    """

    release: Release
    environment: str
    rules: EnvironmentRules
    asker: str | None
    now: float
    previous: str = ""


def verdicts(passage: Passage, kept: Kept) -> tuple[CheckRun, ...]:
    """Return the conclusion of each gate that an environment requires, by what is on record.

    Args:
        passage: What is to go where.
        kept: The evidence.
    """
    found = [_verdict(passage, gate, kept) for gate in passage.rules.gates]
    if passage.rules.freezes:
        found.append(freeze_check(passage))
    return tuple(found)


def _verdict(passage: Passage, gate: str, kept: Kept) -> CheckRun:
    if gate == APPROVAL:
        return approval_check(passage, kept(gate, WORDS_MAX))
    if gate == DRILL:
        return drill_check(passage, kept(gate, DRILLS_MAX))
    return stored_check(passage, gate, next(iter(kept(gate, 1)), None))


def stored_check(passage: Passage, gate: str, evidence: Evidence | None) -> CheckRun:
    """Return what stored evidence says by now: it must be a success, and not too old.

    Args:
        passage: What is to go where.
        gate: The gate.
        evidence: Its newest evidence; None when it never ran.
    """
    if evidence is None:
        what = "it has not been checked" if gate == CHECK else "there is no evidence of it"
        return _required(gate, what)
    if evidence.conclusion != "success":
        # A conclusion that nobody knows here shows nothing.
        conclusion = _KNOWN.get(evidence.conclusion, "neutral")
        what = "it did not pass its checks" if gate == CHECK else f"it is {conclusion}"
        return CheckRun(name=gate, conclusion=conclusion, summary=what, findings=(what,))
    age_s, most_s = passage.now - evidence.time, passage.rules.holds_s(gate)
    if age_s < -AHEAD_S:
        what = "its evidence is of a time that has not come"
        return CheckRun(name=gate, conclusion="neutral", summary=what, findings=(what,))
    if age_s > most_s:
        return _required(gate, f"its evidence is older than {length(most_s)}")
    return CheckRun(
        name=gate, conclusion="success", summary=f"passed; it holds for {length(most_s)}"
    )


def drill_check(passage: Passage, drills: Sequence[Evidence]) -> CheckRun:
    """Return what drills say by now: the newest that went to where a rollback would go counts.

    Args:
        passage: What is to go where.
        drills: Their evidence, the newest first.
    """
    # One that could not be decided, and names no release, stands for every way back.
    this_way = [one for one in drills if _went_to(one) in (None, passage.previous)]
    newest = next(iter(this_way), None)
    if newest is None and drills:
        would = f"release {passage.previous[:12]}" if passage.previous else "no release"
        went = f"release {(_went_to(drills[0]) or '')[:12]}"
        return _required(DRILL, f"its drill went back to {went}, and a rollback would to {would}")
    found = stored_check(passage, DRILL, newest)
    if found.conclusion == "success" and newest is not None and not _went_to(newest):
        return _required(DRILL, "its evidence does not say to which release it went back")
    return found


def _went_to(drill: Evidence) -> str | None:
    """Return to which release a drill went back; None when it does not say."""
    try:
        return str(drill.checks[0]["figures"][PREVIOUS])
    except (LookupError, TypeError):
        return None


def approval_check(passage: Passage, words: Sequence[Evidence]) -> CheckRun:
    """Return whether people approve of a release in an environment: the last word of each counts.

    It counts when whoever said it had the role then that the environment asks for now.

    Args:
        passage: What is to go where.
        words: What was said of it there, of each person the newest first.
    """
    rules, release = passage.rules.approval, passage.release
    latest: dict[tuple[str, bool], Evidence] = {}
    for word in words:
        latest.setdefault((word.by, word.verified), word)
    oldest = passage.now - passage.rules.holds_s(APPROVAL)
    standing = [
        word
        for word in latest.values()
        if oldest <= word.time <= passage.now + AHEAD_S and _spoke_as(word, rules.role)
    ]
    denied = [word for word in standing if word.conclusion != "success"]
    if denied:
        what = "; ".join(f"{word.by} denied it: {_reason(word)}" for word in denied[:5])
        return CheckRun(name=APPROVAL, conclusion="failure", summary="denied", findings=(what,))
    if rules.four_eyes and "" in (release.by, passage.asker):
        # What cannot be told apart counts as the same.
        whose = "asks" if release.by else "made the release"
        return _required(APPROVAL, f"no token says who {whose}, and four eyes are needed")
    apart = (release.by, passage.asker)
    counted = sorted(
        {
            word.by
            for word in standing
            if not rules.four_eyes or (word.verified and word.by not in apart)
        }
    )
    if len(counted) < rules.count:
        others = "others with " if rules.four_eyes else ""
        have = f"it has {len(counted)} of {rules.count} approvals"
        what = f"{have} by {others}the role {rules.role}"
        return _required(APPROVAL, what)
    return CheckRun(name=APPROVAL, conclusion="success", summary=f"by {', '.join(counted)}")


def _spoke_as(word: Evidence, role: Role) -> bool:
    """Say whether somebody had a role when they spoke; without a token one has every role."""
    try:
        roles = word.checks[0]["figures"][ROLES]
    except (LookupError, TypeError):
        roles = None
    if roles is None:
        # What cannot be told lets nothing through: an older word can deny, and not approve.
        return not word.verified or word.conclusion != "success"
    return Principal(user=word.by, roles=tuple(roles)).acts_as(role)


def freeze_check(passage: Passage) -> CheckRun:
    """Return whether a release may get traffic at this time.

    Args:
        passage: What is to go where.
    """
    at = datetime.fromtimestamp(passage.now, tz=UTC)
    for freeze in passage.rules.freezes:
        try:
            local = at.astimezone(ZoneInfo(freeze.zone)).replace(tzinfo=None)
        except (OSError, ValueError, LookupError):
            what = f"this machine does not know the time zone {freeze.zone}"
            return CheckRun(name=FREEZE, conclusion="neutral", summary=what, findings=(what,))
        if freeze.covers(local):
            what = f"{freeze.reason} ({freeze.when})"
            return CheckRun(
                name=FREEZE, conclusion="action_required", summary="in force", findings=(what,)
            )
    return CheckRun(name=FREEZE, conclusion="success", summary="none is in force")


def length(seconds: float) -> str:
    """Return a length of time in words."""
    for unit, name in ((86_400.0, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second")):
        if seconds >= unit and seconds % unit == 0.0:
            return f"{seconds / unit:g} {name}" + ("" if seconds == unit else "s")
    return f"{seconds:g} seconds"


def _required(gate: str, what: str) -> CheckRun:
    return CheckRun(name=gate, conclusion="action_required", summary=what, findings=(what,))


def _reason(word: Evidence) -> str:
    try:
        return str(word.checks[0]["summary"])
    except (LookupError, TypeError):
        return "no reason is on record"
