"""What differs between a recorded run and its replay."""

from __future__ import annotations

from fairlead.core.replay import DIFFERENCES_MAX, Course, Step, compare

LOOK = Step(kind="tool", name="look", arguments="a" * 64, ended="done", decided="allow all")
PAY = Step(kind="tool", name="pay", arguments="b" * 64, ended="done")


def told(before: Course, after: Course) -> list[tuple[str, str, str, str]]:
    return [(one.what, one.where, one.before, one.after) for one in compare(before, after)]


def test_the_same_course_has_no_difference() -> None:
    course = Course(state="succeeded", steps=(LOOK, PAY), output={"a": 1}, cost_usd=0.1)
    assert compare(course, course) == ()


def test_each_kind_of_difference_is_told() -> None:
    before = Course(state="succeeded", steps=(LOOK, PAY), output=1, checks=("kind passed",))
    after = Course(
        state="denied",
        code="FL-604",
        steps=(Step(kind="tool", name="look", arguments="c" * 64, ended="done", decided="deny x"),),
        output=2,
        checks=("kind failed",),
        sent=("send go",),
        cost_usd=0.5,
    )
    assert told(before, after) == [
        ("outcome", "", "succeeded", "denied FL-604"),
        ("output", "", "1", "2"),
        ("call", "tool look", "asked aaaaaaaaaaaa", "asked cccccccccccc"),
        ("decision", "tool look", "allow all", "deny x"),
        ("call", "tool pay", "done", ""),
        ("check", "", "kind passed", "kind failed"),
        ("sent", "", "", "send go"),
        ("cost", "", "0.000000 USD", "0.500000 USD"),
    ]
    assert ("call", "tool pay", "", "done") in told(after, before)


def test_differences_are_bounded() -> None:
    many = Course(state="failed", steps=(PAY,) * 500)
    assert len(compare(Course(state="failed"), many)) == DIFFERENCES_MAX
