"""A provider that the app brings is asked as OpenFeature says, and whatever it does has a bound."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal
from typing import Any

import pytest
from openfeature import api
from openfeature.exception import ProviderNotReadyError
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider import AbstractProvider, Metadata
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

from fairlead.adapters.openfeature.flags import THREADS_MAX
from tests.unit.adapters.openfeature.test_flags import alone, ask, source

__all__ = ["alone"]  # a fixture of each test here, too


def memory(**flags: Any) -> InMemoryProvider:
    return InMemoryProvider(
        {
            key: InMemoryFlag(default_variant="v", variants={"v": value})
            for key, value in flags.items()
        }
    )


def test_a_provider_of_the_app_is_asked_in_place_of_the_release() -> None:
    own = source(memory(boolean=False, theirs="x"))
    found = ask("boolean", True, of=own)
    assert (found.value, found.variant, found.provider) == (False, "v", "In-Memory Provider")
    assert ask("theirs", "", of=own).value == "x"
    assert ask("string", "", of=own).error_code == "FLAG_NOT_FOUND"


class Ours(AbstractProvider):
    """A provider that answers anything, in its own way."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[str] = []
        self.contexts: list[Any] = []

    def get_metadata(self) -> Metadata:
        return Metadata(name="ours")

    def resolve_boolean_details(
        self, flag_key: str, default_value: Any, evaluation_context: Any = None
    ) -> Any:
        self.threads.append(threading.current_thread().name)
        self.contexts.append(evaluation_context)
        return self.answer(default_value)

    resolve_string_details = resolve_integer_details = resolve_boolean_details
    resolve_float_details = resolve_object_details = resolve_boolean_details

    def answer(self, default: bool) -> FlagResolutionDetails[bool]:
        return FlagResolutionDetails(not default, variant="own", reason="CACHED")


def test_a_provider_gets_the_context_on_a_thread_of_its_own() -> None:
    provider = Ours()
    found = ask("any", False, {"plan": "pro"}, of=source(provider))
    assert (found.value, found.variant, found.reason) == (True, "own", "CACHED")
    assert provider.threads == ["fairlead-flag"]
    assert provider.contexts[0].targeting_key == "acme/ann"
    assert provider.contexts[0].attributes == {"plan": "pro"}


class Native(Ours):
    """A provider that is asynchronous by itself."""

    async def resolve_boolean_details_async(
        self, flag_key: str, default_value: bool, evaluation_context: Any = None
    ) -> Any:
        await asyncio.sleep(0)
        return FlagResolutionDetails(True, variant=threading.current_thread().name)


def test_a_provider_that_is_asynchronous_is_awaited() -> None:
    provider = Native()
    assert ask("any", False, of=source(provider)).variant == threading.current_thread().name
    assert provider.threads == []


class Raising(Ours):
    def answer(self, default: bool) -> FlagResolutionDetails[bool]:
        raise ConnectionError("the service is away")


class Typed(Ours):
    def answer(self, default: bool) -> Any:
        return FlagResolutionDetails("yes", variant="own")


class NoJson(Ours):
    def answer(self, default: bool) -> Any:
        return FlagResolutionDetails({"price": Decimal("1.5")})


class Late(Ours):
    """A provider that starts, and never ends to."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def initialize(self, evaluation_context: Any) -> None:
        self.go.wait(30)


class Broken(Ours):
    def initialize(self, evaluation_context: Any) -> None:
        raise ProviderNotReadyError("no key")


@pytest.mark.parametrize(
    ("provider", "default", "code", "says"),
    [
        (Raising, False, "GENERAL", "the service is away"),
        (Typed, False, "TYPE_MISMATCH", "Expected type"),
        (NoJson, {}, "PARSE_ERROR", "the value is no JSON"),
    ],
)
def test_what_a_provider_does_wrong_gives_the_default(
    provider: type[Ours], default: Any, code: str, says: str
) -> None:
    found = ask("any", default, of=source(provider()))
    assert (found.value, found.reason, found.error_code) == (default, "ERROR", code)
    assert says in found.error_message


def test_a_provider_whose_start_failed_is_asked_all_the_same() -> None:
    # As the specification has it: only a fatal error, and a start that lasts, stop the question.
    assert ask("any", False, of=source(Broken())).value is True


def test_invariant_11_a_provider_that_does_not_get_ready_has_a_bound() -> None:
    provider = Late()
    found = ask("any", False, of=source(provider, within_s=0.1))
    provider.go.set()
    assert (found.value, found.error_code) == (False, "GENERAL")
    assert found.error_message == "the provider did not answer within 0.1 s"


class Hanging(Ours):
    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def answer(self, default: bool) -> FlagResolutionDetails[bool]:
        self.go.wait(30)
        return super().answer(default)


def test_invariant_11_a_provider_that_hangs_keeps_few_threads_and_comes_back() -> None:
    provider = Hanging()
    own = source(provider, within_s=0.05)
    try:
        waited = [ask("any", False, of=own) for _ in range(THREADS_MAX + 1)]
    finally:
        provider.go.set()
    assert {(found.value, found.error_code) for found in waited} == {(False, "GENERAL")}
    assert len(provider.threads) == THREADS_MAX
    for thread in threading.enumerate():
        if thread.name == "fairlead-flag":
            thread.join(10)
    assert ask("any", False, of=own).value is True


def test_an_app_that_clears_the_sdk_does_not_turn_its_flags_off() -> None:
    for own in (source(), source(memory(boolean=True))):
        assert ask("boolean", False, of=own).value is True
        api.shutdown()
        assert ask("boolean", False, of=own).value is True
