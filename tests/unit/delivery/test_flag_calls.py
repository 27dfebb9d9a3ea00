"""Which flags code asks for, and which are declared: what is one and not the other is found."""

from __future__ import annotations

import pytest

from fairlead.delivery.flag_calls import unasked_flags, undeclared_flags
from fairlead.delivery.resolve import resolve
from fairlead.ports.app_files import AppFiles
from tests.unit.delivery.test_resolve import APP, FILES

CODE = b"""
async def body(run, item):
    a = await run.flag("known", default=False)
    b = (await run.flag_details("unknown", 1)).value
    c = await run.flag(key, default=False)
    d = canvas.flag("red")
    return await run.call(tool, "unknown")
"""


def test_a_flag_that_code_names_and_nobody_declares_is_found() -> None:
    manifest = resolve(APP, FILES, {"flags": {"known": True}})
    code = {"app.py": CODE, "broken.py": b"def", "requirements.txt": b"a==1"}
    assert undeclared_flags(manifest, AppFiles(code=code, bundle={})) == [
        "app.py:4 asks for flag 'unknown', which is not declared in fairlead.toml or flags/"
    ]


ASKED = """
from keys import TONE

async def body(run, item):
    a = await run.flag("loud", default=False)
    b = await run.flag_details(key=TONE, default="x")
"""
CONFIG = {"workflow": {"ask": {"flags": {"loud": True, "tone": "a", "lout": True}}, "tell": {}}}


def unasked(code: str, keys: str = 'TONE = "tone"') -> list[str]:
    code_of = {"app.py": code.encode(), "keys.py": keys.encode()}
    return unasked_flags(AppFiles(code=code_of, bundle={}), CONFIG)


def test_a_workflow_s_flag_that_no_code_asks_for_is_found_with_the_nearest_key() -> None:
    assert unasked(ASKED) == [
        "fairlead.toml: workflow.ask.flags has 'lout', which no code asks for; "
        "did you mean 'loud'? it knows: loud, tone"
    ]


@pytest.mark.parametrize(
    ("code", "keys"),
    [
        (ASKED, 'TONE = "to" + "ne"'),
        (ASKED, 'for TONE in ("a", "b"): pass'),
        (ASKED.replace("TONE, default", "item, default"), 'TONE = "tone"'),
        (ASKED.replace("key=TONE", 'key=f"to{item}"'), 'TONE = "tone"'),
        (ASKED, "from elsewhere import TONE"),
    ],
)
def test_where_a_key_is_computed_nothing_is_said(code: str, keys: str) -> None:
    assert unasked(code, keys) == []
