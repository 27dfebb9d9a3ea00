"""The way to a provider: real HTTP, a real worker, and everything that a provider can do wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.testing import Asked, Reply
from tests.acceptance.support.provided import FALLBACK, PRIMARY, Provided, provided

pytestmark = pytest.mark.acceptance

DONE = Reply(text="It is done.")
BAD = "balderdash " * 1000
GOOD = {"score": 7, "why": "it holds"}
READY = ("ready", "named", "streamed")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provided]:
    with provided(tmp_path_factory.mktemp("provided") / "app") as made:
        yield made


@pytest.fixture(autouse=True)
def rested(scene: Provided) -> None:
    scene.rested()


def failed_with(code: str) -> tuple[str, str]:
    return ("failed", code)


def ended(run: object) -> tuple[str, str]:
    """Return a run's state and the code of its error."""
    return (run.state, run.outcome["code"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_busy_provider_is_waited_for_as_long_as_it_asks(scene: Provided, form: str) -> None:
    busy = Reply(status=429, retry_after_s=2.0, retry_after_form=form)  # type: ignore[arg-type]
    scene.server.play([busy, DONE])
    run = scene.run("plain")
    assert (run.state, run.outcome["answer"]) == ("succeeded", "It is done.")
    first, second = scene.server.asked
    # A date has whole seconds, and is read a moment after it was written.
    assert second.at - first.at >= (2.0 if form == "seconds" else 1.0)
    assert scene.calls(run) == [(PRIMARY, "done", 2)]
    # The wait is on record: two steps of the call, and a durable wait between them.
    steps = list(scene.steps(run))
    turn = f"model {PRIMARY} #1"
    assert steps.count(turn) == 2
    between = steps[steps.index(turn) + 1]
    assert between.startswith("wait "), steps


@pytest.mark.parametrize(
    "broken",
    [
        Reply(text="It is half done", cut=0.5),
        Reply(text="It is half done", cut=0.0),
        Reply(text="It does not say that it ended", finish="none"),
        Reply(raw=b"<html>bad gateway</html>"),
        Reply(raw=b'{"id": "resp_1", "object": "resp'),
        Reply(status=500),
        Reply(status=503),
        Reply(text="too late", pause_s=3.0),
        Reply(text="drop by drop", slice_bytes=20, pause_s=0.2),
    ],
    ids=[
        "cut",
        "closed",
        "no end",
        "no JSON",
        "half a JSON",
        "500",
        "503",
        "silent",
        "slow bytes",
    ],
)
@pytest.mark.parametrize("workflow", ["plain", "named", "streamed"])
def test_what_broke_off_is_no_answer_and_is_asked_again(
    scene: Provided, broken: Reply, workflow: str
) -> None:
    scene.server.play([broken, DONE])
    run = scene.run(workflow)
    assert (run.state, run.outcome["answer"]) == ("succeeded", "It is done."), run.reason
    assert len(scene.server.asked) == 2
    ((_, state, tries),) = scene.calls(run)
    assert (state, tries) == ("done", 2)


@pytest.mark.parametrize(
    ("reply", "code", "requests"),
    [
        (Reply(text="It is", finish="length"), "FL-607", 1),
        (Reply(text="", finish="length"), "FL-607", 1),
        (Reply(tools=[("look", '{"item": "i')], finish="length"), "FL-607", 1),
        (Reply(text="It is", cut=0.5), "FL-608", 3),
        (Reply(raw=b"nothing"), "FL-609", 3),
        (Reply(text="no", finish="content_filter"), "FL-610", 1),
        (Reply(status=429), "FL-613", 3),
        (Reply(status=500), "FL-614", 3),
        (Reply(status=503), "FL-614", 3),
        (Reply(status=429, code="insufficient_quota"), "FL-615", 1),
        (Reply(status=401), "FL-616", 1),
        (Reply(status=403), "FL-616", 1),
        (Reply(status=404, code="model_not_found"), "FL-601", 1),
        (Reply(status=400), "FL-603", 1),
        (Reply(text="slow", slice_bytes=20, pause_s=0.2), "FL-618", 3),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_failure_is_an_error_of_its_own(
    scene: Provided, reply: Reply, code: str, requests: int
) -> None:
    scene.server.play([reply])
    run = scene.run("plain")
    assert ended(run) == failed_with(code)
    assert run.outcome["answer"] is None
    assert scene.calls(run) == [(PRIMARY, "failed", requests)]
    assert len(scene.server.asked) == requests


@pytest.mark.parametrize("workflow", [*READY, "alone"])
def test_one_try_is_one_request(scene: Provided, workflow: str) -> None:
    """The provider's library asks three times by itself when nobody stops it."""
    scene.server.play([Reply(status=500)])
    run = scene.run(workflow)
    assert ended(run) == failed_with("FL-614")
    assert [tries for _, _, tries in scene.calls(run)] == [2]
    assert len(scene.server.asked) == 2
    assert {asked.body["stream"] for asked in scene.server.asked} == {workflow == "streamed"}


def test_a_context_that_is_too_large_for_the_provider_is_final(scene: Provided) -> None:
    scene.server.play([Reply(status=400, code="context_length_exceeded")])
    run = scene.run("plain")
    assert ended(run) == ("denied", "FL-617")
    assert len(scene.server.asked) == 1


def test_a_context_is_counted_before_anything_is_sent(scene: Provided) -> None:
    scene.server.play([DONE])
    run = scene.run("small", "word " * 150)
    assert ended(run) == ("denied", "FL-617")
    assert scene.server.asked == []
    assert scene.calls(run) == [(PRIMARY, "denied", 0)]
    assert scene.run("small", "word").state == "succeeded"


def unfit(number: int) -> Reply:
    """Return an answer with a form that is not the right one, in three ways."""
    return [
        Reply(tools=[("final_result", {"score": BAD, "why": BAD})]),
        Reply(tools=[("final_result", '{"score": ' + BAD)]),
        Reply(text=BAD),
    ][number % 3]


def test_an_answer_that_does_not_fit_is_asked_again_a_bounded_number_of_times(
    scene: Provided,
) -> None:
    scene.server.play(lambda asked: unfit(asked.number))
    run = scene.run("shaped")
    assert ended(run) == failed_with("FL-611")
    assert len(scene.server.asked) == 3
    assert [state for _, state, _ in scene.calls(run)] == ["done"] * 3


@pytest.mark.parametrize(
    ("first", "second"), [(unfit(0), unfit(1)), (unfit(2), unfit(2))], ids=["calls", "words"]
)
def test_bad_text_is_not_sent_back(scene: Provided, first: Reply, second: Reply) -> None:
    scene.server.play([first, second, Reply(tools=[("final_result", GOOD)])])
    run = scene.run("shaped")
    assert (run.state, run.outcome["answer"]) == ("succeeded", GOOD)
    sizes = [len(asked.text) for asked in scene.server.asked]
    assert len(sizes) == 3
    assert "balderdash" not in "".join(asked.text for asked in scene.server.asked)
    assert sizes[2] - sizes[0] < len(BAD) / 3
    said = "valid integer" if first.tools else "Invalid JSON"
    assert said in scene.server.asked[1].text


def test_a_tool_that_is_not_there_is_answered_with_those_that_are(scene: Provided) -> None:
    scene.server.play([Reply(tools=[("lok at\n", {"item": BAD})]), DONE])
    run = scene.run("plain")
    assert run.state == "succeeded"
    again = scene.server.asked[1].text
    assert "There is no tool of this name. Tools: look." in again
    assert "balderdash" not in again
    assert "lok_at_" in again


@pytest.mark.parametrize(
    "call",
    [
        ("lock", {"item": BAD}),
        ("look", BAD),
        ("look", {"thing": "i"}),
        ("look", {"item": [BAD]}),
        ("look", [BAD]),
    ],
    ids=["unknown", "no JSON", "other names", "misfit", "a list"],
)
def test_a_tool_call_that_does_not_fit_is_bounded(
    scene: Provided, call: tuple[str, object]
) -> None:
    scene.server.play([Reply(tools=[call])])
    run = scene.run("plain")
    assert ended(run) == failed_with("FL-612")
    assert len(scene.server.asked) == 3
    assert "balderdash" not in "".join(asked.text for asked in scene.server.asked)


def test_a_model_that_is_another_one_is_a_fact_once_per_run_and_pair(scene: Provided) -> None:
    scene.server.play([Reply(text="It is done.", model="gpt-5-2025-08-07")])
    run = scene.run("twice")
    assert run.state == "succeeded"
    assert len(scene.server.asked) == 2
    assert scene.events(run, "model.changed") == [
        {"asked": PRIMARY, "served_by": "gpt-5-2025-08-07"}
    ]
    other = scene.run("plain")
    assert len(scene.events(other, "model.changed")) == 1


def test_the_model_that_was_asked_is_no_event(scene: Provided) -> None:
    scene.server.play([DONE])
    assert scene.events(scene.run("plain"), "model.changed") == []


def outage(asked: Asked) -> Reply:
    """Fail for the model itself, and answer for any other one."""
    return Reply(status=503) if asked.model == "gpt-5" else Reply(text="It is done in a small way.")


def test_a_fallback_is_a_call_of_its_own(scene: Provided) -> None:
    scene.server.play(outage)
    run = scene.run("backed")
    assert (run.state, run.outcome["answer"]) == ("succeeded", "It is done in a small way.")
    assert scene.calls(run) == [(PRIMARY, "failed", 2), (FALLBACK, "done", 1)]
    assert [asked.model for asked in scene.server.asked] == ["gpt-5", "gpt-5", "gpt-5-mini"]
    finished = scene.events(run, "call.finished")
    assert [(data["name"], data["decision"]) for data in finished] == [
        (PRIMARY, "allowed"),
        (FALLBACK, "allowed"),
    ]


def test_a_fallback_that_the_release_does_not_name_is_never_asked(scene: Provided) -> None:
    scene.server.play(outage)
    run = scene.run("alone")
    assert ended(run) == failed_with("FL-614")
    assert [asked.model for asked in scene.server.asked] == ["gpt-5", "gpt-5"]


@pytest.mark.parametrize(
    "final",
    [
        Reply(text="It is", finish="length"),
        Reply(status=401),
        Reply(status=429, code="insufficient_quota"),
    ],
    ids=["truncated", "key", "quota"],
)
def test_a_final_failure_has_no_fallback(scene: Provided, final: Reply) -> None:
    scene.server.play([final, DONE])
    assert scene.run("backed").state == "failed"
    assert [asked.model for asked in scene.server.asked] == ["gpt-5"]


def test_invariant_10_the_key_is_nowhere(scene: Provided) -> None:
    scene.server.play([Reply(status=401), DONE])
    scene.run("plain")
    folder = Path(scene.platform.settings.folder)
    key = scene.server.environment["OPENAI_API_KEY"].encode()
    assert not [path for path in folder.rglob("*.db*") if key in path.read_bytes()]
    assert all(key.decode() not in str(asked.headers) for asked in scene.server.asked)


def test_a_conversation_reaches_the_provider_with_its_tools(scene: Provided) -> None:
    called = Reply(tools=[("look", {"item": "lamp"})])
    scene.server.play([called, Reply(text="The lamp is there."), Reply(text="It is blue.")])
    first = scene.run("plain", "Is the lamp there?", conversation="desk")
    assert (first.state, first.turn) == ("succeeded", 1), first.reason
    second = scene.run("plain", "Which colour has it?", conversation="desk")
    assert (second.state, second.turn) == ("succeeded", 2), second.reason
    sent = scene.server.asked[-1].body["input"]
    kinds = [item.get("type", item.get("role")) for item in sent]
    texts = json.dumps(sent)
    places = [
        texts.index(word)
        for word in ("Is the lamp there?", "function_call", "lamp is there", "The lamp is there.")
    ]
    assert places == sorted(places), texts
    (call,) = [item for item in sent if item.get("type") == "function_call"]
    (result,) = [item for item in sent if item.get("type") == "function_call_output"]
    assert (call["name"], json.loads(call["arguments"])) == ("look", {"item": "lamp"})
    assert call["call_id"] == result["call_id"]
    assert kinds.index("function_call") + 1 == kinds.index("function_call_output")
    assert "Which colour has it?" in json.dumps(sent[-1])
