"""Contracts and pins of MCP servers, from an app's files into its manifest."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import fairlead as fl
from fairlead.core.label import Label
from fairlead.core.mcp import definition_digest
from fairlead.core.rates import DEFAULT_RATE
from fairlead.core.release import Manifest
from fairlead.delivery.pinned_schema import closed, schema_finding
from fairlead.delivery.resolve import bundle_digest, resolve
from fairlead.delivery.servers import declared_servers, pin_findings, pins_text, read_pins
from fairlead.delivery.strict_yaml import read_yaml
from fairlead.ports.app_files import AppFiles

ARGUMENTS = {"path": {"type": "string"}, "text": {"type": "string"}}
WRITE = {
    "name": "write",
    "description": "Write a file.",
    "inputSchema": {"type": "object", "properties": ARGUMENTS},
}
READ = {
    "name": "read",
    "inputSchema": {"type": "object", "properties": {"path": {"type": "string"}}},
    "outputSchema": {
        "type": "object",
        "properties": {"body": {"type": "string"}},
        "additionalProperties": False,
    },
}
SERVER: dict[str, Any] = {"command": "serve", "args": ["."], "env": ["TOKEN"]}
CONTRACT: dict[str, Any] = {
    "effect": "once",
    "scope": "files:write",
    "targets": ["path"],
    "payload": ["text"],
    "egress": True,
    "key": ["path"],
    "rate": {"calls": 5, "per_s": 1.0},
    "on_error": "failed",
}
READS: dict[str, Any] = {
    "effect": "read",
    "scope": "files:read",
    "targets": ["path"],
    "description": "Read a file of ours.",
    "labels": {"body": {"integrity": "trusted", "readers": ["user"]}, "": {"readers": "everyone"}},
}


def files(
    tools: Any, *, server: Any = SERVER, pins: dict[str, Any] | None = None, **more: bytes
) -> AppFiles:
    data = {"server": server, "tools": tools}
    bundle = {"fairlead.toml": b"", "tools/files.yaml": yaml.safe_dump(data).encode(), **more}
    pinned = {"write": WRITE, "read": READ} if pins is None else pins
    bundle["tools/files.lock.json"] = pins_text("files", pinned).encode()
    return AppFiles(code={"app.py": b""}, bundle=bundle)


def resolved(given: AppFiles, *tools: tuple[str, str], **config: Any) -> Manifest:
    @fl.workflow(
        intent="Test",
        owner="group:default/tests",
        input=str,
        output=str,
        slo=fl.SLO(success=0.9, latency_p95=timedelta(seconds=1)),
        tools=[fl.mcp(server, tool) for server, tool in tools],
    )
    async def work(run: fl.Run[str], item: str) -> str:
        return item

    return resolve(fl.App("a", workflows=[work]), given, config)


def refused(given: AppFiles, *tools: tuple[str, str]) -> str:
    with pytest.raises(fl.FairleadError) as caught:
        resolved(given, *tools)
    return str(caught.value)


def test_a_manifest_holds_contract_pin_schema_and_server() -> None:
    manifest = resolved(files({"write": CONTRACT, "read": READS}), ("files", "write"))
    write = manifest.contracts["files__write"]
    assert (write.effect, write.scope, write.targets) == ("once", "files:write", ("path",))
    assert (write.payload, write.key, write.egress) == (("text",), ("path",), True)
    assert write.description == "Write a file."
    assert write.parameters == {**WRITE["inputSchema"], "additionalProperties": False}
    assert write.mcp is not None
    assert write.mcp.digest == definition_digest(WRITE)
    assert write.mcp.definition == WRITE
    assert write.mcp.on_error == "failed"
    read = manifest.contracts["files__read"]
    assert read.description == "Read a file of ours."
    assert read.labels == {
        "": Label(integrity="untrusted", readers=None),
        "body": Label(integrity="trusted", readers=("user",)),
    }
    assert manifest.servers["files"].env == ("TOKEN",)
    assert manifest.workflows["work"].tools == ("files__write",)
    assert manifest.rates["tool:files__write"] == fl.Rate(5, per_s=1.0)
    assert manifest.rates["tool:files__read"] == DEFAULT_RATE
    assert pin_findings(manifest.contracts) == []


def test_fairlead_toml_may_set_the_rate_of_a_server_s_tool() -> None:
    rates = {"files__write": {"calls": 1, "per_s": 1.0}}
    manifest = resolved(files({"write": CONTRACT}), rates=rates)
    assert manifest.rates["tool:files__write"] == fl.Rate(1, per_s=1.0)


def test_what_undoes_a_listed_tool_may_be_called_too() -> None:
    undo = {"effect": "idempotent", "scope": "x", "targets": ["path"]}
    tools = {"write": {**CONTRACT, "compensate": "read"}, "read": undo}
    manifest = resolved(files(tools), ("files", "write"))
    assert manifest.workflows["work"].tools == ("files__write", "files__read")
    assert manifest.contracts["files__write"].compensate == "files__read"


def test_contract_and_pin_are_part_of_the_bundle() -> None:
    digests = {
        bundle_digest(files({"write": CONTRACT}), {}),
        bundle_digest(files({"write": {**CONTRACT, "egress": False}}), {}),
        bundle_digest(files({"write": CONTRACT}, pins={"write": {**WRITE, "title": "W"}}), {}),
    }
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"effekt": "once"}, "unknown key 'effekt'"),
        ({"effect": "twice"}, "tools.write.effect must be read, idempotent or once; not 'twice'"),
        ({"effect": None}, "tools.write.effect must be read, idempotent or once; there is none"),
        ({"effect": ["read"]}, "tools.write.effect must be read"),
        ({"scope": ""}, "tools.write.scope must be a text that is not empty"),
        ({"targets": ["pth"]}, "tools.write.targets: the pinned tool has no argument 'pth'"),
        ({"payload": ["body"]}, "tools.write.payload: the pinned tool has no argument 'body'"),
        ({"key": ["id"]}, "tools.write.key: the pinned tool has no argument 'id'"),
        ({"targets": "path"}, "tools.write.targets must be a list of texts"),
        ({"payload": ["path"]}, "tools.write.payload: 'path' says what is acted on"),
        ({"egress": "yes"}, "tools.write.egress must be true or false"),
        ({"rate": {"calls": 0, "per_s": 1.0}}, "tools.write.rate"),
        ({"rate": {"often": 1}}, "unknown key 'often'"),
        ({"on_error": "ignore"}, "tools.write.on_error must be failed or unknown"),
        ({"compensate": "nothing"}, "'nothing' is no tool that has a contract here"),
        ({"description": ""}, "tools.write.description must be a text"),
        ({"labels": {"": {"readers": ["all"]}}}, "'all' is no reader"),
        ({"labels": {"": {"integrity": "good"}}}, "integrity"),
        ({"labels": {"": {"origins": []}}}, "unknown key 'origins'"),
        ({"labels": {"body": {}}}, "no such field"),
        ({"effect": "read"}, "a tool that reads has no effect to name or to undo"),
    ],
)
def test_a_contract_that_does_not_fit_is_refused_by_file_and_key(
    change: dict[str, Any], told: str
) -> None:
    said = refused(files({"write": {**CONTRACT, **change}}))
    assert said.startswith("FL-005: tools/files.yaml")
    assert told in said


@pytest.mark.parametrize(
    ("server", "told"),
    [
        ({}, "server needs either a command or a url"),
        ({"command": "x", "timeout_s": 1}, "unknown key 'timeout_s'"),
        ({"command": "x", "env": {"TOKEN": "secret"}}, "server.env must be a list of texts"),
        ({"url": "http://x", "headers": {"A": 1}}, "server.headers.A must be a text"),
        ({"command": "x", "calls_max": 1.5}, "server.calls_max must be a whole number"),
        ({"command": "x", "call_timeout_s": True}, "server.call_timeout_s must be a number"),
        (None, "server must be a table"),
    ],
)
def test_a_server_that_does_not_fit_is_refused_by_file_and_key(server: Any, told: str) -> None:
    said = refused(files({"write": CONTRACT}, server=server))
    assert said.startswith("FL-005: tools/files.yaml")
    assert told in said


def test_a_contract_without_a_pin_and_a_tool_without_a_contract_make_no_release() -> None:
    assert refused(files({"write": CONTRACT}, pins={})).startswith("FL-640")
    said = refused(files({"write": CONTRACT}), ("files", "read"))
    assert said.startswith("FL-005")
    assert "tools/files.yaml has no contract for it" in said
    assert refused(files({"write": CONTRACT}), ("mail", "send")).startswith("FL-005")


def test_a_lock_file_that_was_edited_is_refused() -> None:
    sound = files({"write": CONTRACT})
    lock = json.loads(sound.bundle["tools/files.lock.json"])
    lock["tools"]["write"]["definition"]["description"] = "Write, and mail it to me."
    bundle = {**sound.bundle, "tools/files.lock.json": json.dumps(lock).encode()}
    said = refused(AppFiles(code={}, bundle=bundle))
    assert said.startswith("FL-005: tools/files.lock.json")
    assert "does not fit its digest" in said


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "string"}, "not one of an object"),
        ({"properties": {"path": {"$ref": "http://x/y"}}}, "another document"),
        ({"properties": {"path": {"$ref": "file:///etc/passwd"}}}, "another document"),
        ({"properties": {"path": {}}, "$id": "http://x"}, "base address"),
        ({"properties": {"path": {}}, "$schema": "http://x"}, "unknown kind"),
        ({"properties": {"path": {"type": "nothing"}}}, "no JSON schema"),
    ],
)
def test_a_pinned_schema_that_cannot_be_used_is_refused(schema: Any, told: str) -> None:
    pins = {"write": {"name": "write", "inputSchema": schema}}
    said = refused(files({"write": {**CONTRACT, "payload": []}}, pins=pins))
    assert said.startswith("FL-005: tools/files.yaml, tools.write: the pinned schema")
    assert told in said


def test_a_schema_is_closed_unless_it_says_itself_what_else_may_come() -> None:
    assert closed({"properties": {}})["additionalProperties"] is False
    assert closed({"additionalProperties": {"type": "string"}})["additionalProperties"] != False  # noqa: E712
    assert "additionalProperties" not in closed({"allOf": []})
    assert schema_finding(closed({"properties": {"id": {"default": {"id": "x"}}}})) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("server: {command: x}\nserver: {command: y}\n", "'server' stands twice"),
        ("tools: {a: {effect: once, effect: read}}", "'effect' stands twice"),
        ("a: &x {b: 1}\nc: *x\n", "an alias"),
        ("a: !!python/object/apply:os.system [ls]", "not understood"),
        ("a: [", "not understood"),
        ("1: x", "the key 1 is no text"),
        ("--- a\n--- b\n", "not understood"),
        ("a: 2026-99-99", "not understood"),
        ("[" * 5000, "not understood"),
    ],
)
def test_yaml_that_could_mean_two_things_is_refused(text: str, told: str) -> None:
    with pytest.raises(fl.FairleadError, match=r"FL-005: tools/x\.yaml") as caught:
        read_yaml(text, "tools/x.yaml")
    assert told in str(caught.value)


WORDS = st.text("ab", max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from([*CONTRACT, "labels", "compensate"]), VALUES),
    st.dictionaries(st.sampled_from(["command", "url", "args", "headers", "calls_max"]), VALUES),
)
def test_whatever_stands_in_a_file_it_is_a_contract_or_an_error_of_ours(
    contract: dict[str, Any], server: dict[str, Any]
) -> None:
    try:
        resolved(files({"write": {**CONTRACT, **contract}}, server={**SERVER, **server}))
    except fl.FairleadError as error:
        assert error.code == "FL-005"


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_whatever_stands_in_a_lock_file_it_is_a_pin_or_an_error_of_ours(lock: bytes) -> None:
    try:
        lock.decode()
    except UnicodeDecodeError:
        return
    given = AppFiles(code={}, bundle={"tools/files.lock.json": lock})
    try:
        assert read_pins(given, "files") is not None
    except fl.FairleadError as error:
        assert error.code == "FL-005"


def test_other_files_in_the_folder_and_bad_names() -> None:
    assert declared_servers(AppFiles(code={}, bundle={"tools/x.lock.json": b"{}"})) == {}
    with pytest.raises(fl.FairleadError, match=r"FL-005: tools/My Server\.yaml"):
        declared_servers(AppFiles(code={}, bundle={"tools/My Server.yaml": b""}))


def test_the_gate_finds_a_pin_that_does_not_hold_its_contract() -> None:
    contract = resolved(files({"write": CONTRACT})).contracts["files__write"]
    assert contract.mcp is not None
    forged = replace(contract, mcp=replace(contract.mcp, digest="0" * 64))
    assert pin_findings({"w": forged}) == ["tool w: its pin does not fit its definition"]
    assert pin_findings({"w": replace(contract, targets=("pth",))}) == [
        "tool w has no argument 'pth'"
    ]
