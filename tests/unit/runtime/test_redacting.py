"""The ports of the record: whatever is handed to a store or to the engine leaves secrets behind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fairlead.core.digests import Json
from fairlead.core.errors import InvalidInput, SecretInRelease
from fairlead.core.event import Fact
from fairlead.core.identity import Principal
from fairlead.delivery.release import Releases
from fairlead.operations import load_settings, open_platform
from fairlead.ports.runs import Order
from fairlead.ports.waits import Signal
from fairlead.runtime.admission import Admission
from fairlead.runtime.redacting import RedactingEngine, recordable, redacting
from fairlead.testing import FakeClock, FakeEngine, FakeKills
from tests.unit.runtime.bench import Bench, FakeReleases
from tests.unit.runtime.test_guarded_tools import COMMON, KEY, fl

LEFT = "[redacted:aws-key]"


class Store:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def keep(self, *values: Any, **named: Any) -> int:
        self.kept += [*values, *named.values()]
        return len(self.kept)


def test_a_store_gets_texts_json_and_frozen_values_without_secrets() -> None:
    store = Store()
    order, fact = (
        Order(by="anna", reason=KEY),
        Fact(chain="c", type="run.admitted", data={"a": [KEY]}),
    )
    assert redacting(store).keep(KEY, {"a": {KEY: 1}}, order, [fact], item=(KEY, 2)) == 5
    assert KEY not in str(store.kept)
    assert store.kept[2] == Order(by="anna", reason=LEFT)


def test_what_holds_no_secret_is_the_same_object() -> None:
    for value in ("a", {"a": [1]}, Order(by="anna", reason="because"), [1, 2], 3, None):
        assert recordable(value) is value


def test_the_run_goes_on_with_what_the_engine_records() -> None:
    engine = FakeEngine()

    async def body() -> Json:
        return {"said": KEY}

    got = asyncio.run(RedactingEngine(engine).step("say", body))
    assert got == {"said": LEFT}
    assert KEY not in str(engine.steps)


@fl.workflow(**COMMON, guardrails=[fl.checks.personal_data(stage="input", kinds=["email"])])
async def listen(run: fl.Run[str], text: str) -> str:
    """Say what was said."""
    return text


def test_an_input_is_recorded_without_secrets_and_without_what_its_workflow_redacts() -> None:
    bench = Bench(listen)
    admission = Admission(runs=bench.runs, clock=bench.clock, kills=FakeKills(bench.clock))
    started = admission.start(
        bench.release, "listen", f"{KEY} of anna@example.com", principal=Principal()
    )
    assert bench.runs.get(started.id).input == f"{LEFT} of [redacted:email]"
    with pytest.raises(InvalidInput) as caught:
        admission.start(bench.release, "listen", {"a": KEY}, principal=Principal())
    assert KEY not in caught.value.message


def test_a_release_that_holds_a_secret_is_refused() -> None:
    manifest = Bench(listen, input="x").manifest
    releases = Releases(store=FakeReleases(), clock=FakeClock(), environment="e")
    manifest.policies["policies/p.cedar"] = f"// {KEY}"
    with pytest.raises(SecretInRelease, match="aws-key") as caught:
        releases.create(manifest)
    assert KEY not in caught.value.message


def test_every_store_of_a_platform_is_wrapped_and_its_documents_are_masked(tmp_path: Path) -> None:
    (tmp_path / "fairlead.toml").write_text('[app]\nname = "a"\nmodule = "app.py:app"\n')
    stores = (
        "runs journal events release_store workers dispatch waits effects approvals conversations "
        "streams throttle documents"
    )
    with open_platform(load_settings(tmp_path, {})) as platform:
        for name in stores.split():
            assert type(getattr(platform, name)).__name__ == "_Redacting", name
        assert type(platform.control.control).__name__ == "_Redacting"
        assert platform.ingestion.mask(KEY) == "*" * len(KEY)
        platform.streams.write("r1", "default", 0, {"said": KEY})
        assert platform.streams.read("r1", "default", 0) == [{"said": LEFT}]


def test_what_the_engine_records_of_a_run_has_no_secret_either() -> None:
    """The answer to a wait is a step's record, which no store of ours writes."""

    @fl.workflow(**COMMON)
    async def hears(run: fl.Run[str], _: str) -> str:
        """Say what a signal said."""
        return await run.signal("go", str)

    bench = Bench(hears)

    def send(_: Any) -> None:
        signal = Signal(run_id="r1", name="go", payload=KEY, by="ann", tenant="default")
        bench.waits.send(signal)

    bench.seat.answer = send
    assert bench.execute().state == "succeeded"
    assert "answer" in str(bench.engine.steps)
    assert KEY not in str(bench.engine.steps)
