"""An app's MCP servers: contracts in `tools/SERVER.yaml`, pins in `tools/SERVER.lock.json`.

A contract says what a tool may do, and a person writes it. A pin says what a server serves, and
`fairlead mcp pin` writes it. A release holds both; without either a tool cannot be called.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from fairlead.authoring.app import App
from fairlead.core.digests import Json
from fairlead.core.errors import InvalidConfig, McpPinMissing
from fairlead.core.label import READER_WORDS, UNDECLARED, Label
from fairlead.core.mcp import (
    NAME_CHARS_MAX,
    SERVER_NAME,
    TOOL_NAME,
    McpPin,
    ServerTerms,
    definition_digest,
    mcp_name,
)
from fairlead.core.rates import Rate
from fairlead.core.release import ToolContract
from fairlead.delivery.pinned_schema import closed, schema_finding
from fairlead.delivery.strict_yaml import read_yaml
from fairlead.delivery.yaml_values import (
    flag_of,
    mapping_of,
    names_of,
    number_of,
    table_of,
    text_of,
)
from fairlead.guardrails.shapes import field_paths
from fairlead.ports.app_files import AppFiles

ENDING, LOCK_ENDING = ".yaml", ".lock.json"

_TOOL_KEYS = (
    "compensate",
    "description",
    "effect",
    "egress",
    "key",
    "labels",
    "on_error",
    "payload",
    "rate",
    "scope",
    "targets",
)
_SERVER_KEYS = tuple(item.name for item in fields(ServerTerms) if item.name != "name")


@dataclass(frozen=True, kw_only=True)
class Declared:
    """One server of an app.

    Attributes:
        terms: Where it is.
        contracts: What a person wrote of each tool, by the tool's name at the server.
        pins: What was pinned, by the tool's name at the server.
    """

    terms: ServerTerms
    contracts: Mapping[str, Mapping[str, Any]]
    pins: Mapping[str, Json]

    @property
    def path(self) -> str:
        """The file that declares it."""
        return f"tools/{self.terms.name}{ENDING}"


def declared_servers(files: AppFiles) -> dict[str, Declared]:
    """Return an app's MCP servers by name, without a look at whether their contracts fit.

    Raises:
        InvalidConfig: A file is not understood.
    """
    found = {}
    for path, text in files.below("tools").items():
        if not path.endswith(ENDING):
            continue
        name = path.removeprefix("tools/").removesuffix(ENDING)
        if not SERVER_NAME.fullmatch(name):
            raise InvalidConfig(
                f"{path}: a server's name has lower case letters, digits and hyphens", file=path
            )
        data = table_of(read_yaml(text, path), ("server", "tools"), path, path)
        terms = _server(name, data.get("server"), path)
        tools = mapping_of(data.get("tools") or {}, "tools", path)
        contracts = {
            tool: table_of(table, _TOOL_KEYS, path, f"tools.{tool}")
            for tool, table in tools.items()
        }
        found[name] = Declared(terms=terms, contracts=contracts, pins=read_pins(files, name))
    return found


def read_pins(files: AppFiles, server: str) -> dict[str, Json]:
    """Return the pinned definitions of a server's tools; none when it was never pinned.

    Raises:
        InvalidConfig: The file is not as `fairlead mcp pin` writes it.
    """
    path = f"tools/{server}{LOCK_ENDING}"
    text = files.text(path)
    if text is None:
        return {}
    try:
        tools = json.loads(text)["tools"]
        pins = {name: pin["definition"] for name, pin in tools.items()}
        for name, pin in tools.items():
            named = isinstance(name, str) and pin["definition"]["name"] == name
            if not named or definition_digest(pin["definition"]) != pin["digest"]:
                raise ValueError(f"the definition of {name} does not fit its digest")
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise InvalidConfig(
            f"{path} is not as `fairlead mcp pin` writes it: {error}", file=path
        ) from error
    return pins


def pins_text(server: str, definitions: Mapping[str, Json]) -> str:
    """Return the lock file of a server.

    Args:
        server: Its name.
        definitions: What it serves, by the tool's name.
    """
    tools = {
        name: {"digest": definition_digest(definition), "definition": definition}
        for name, definition in sorted(definitions.items())
    }
    return json.dumps({"server": server, "tools": tools}, indent=2, ensure_ascii=False) + "\n"


@dataclass(frozen=True, kw_only=True)
class ServerTools:
    """What a release holds of MCP servers.

    Attributes:
        servers: Servers by name.
        contracts: Contracts by the tools' names.
        rates: Rates that the contracts name, by the tools' names.
    """

    servers: dict[str, ServerTerms]
    contracts: dict[str, ToolContract]
    rates: dict[str, Rate]


def server_tools(app: App, files: AppFiles) -> ServerTools:
    """Resolve an app's MCP servers.

    Args:
        app: The app as imported.
        files: Its files.

    Raises:
        InvalidConfig: A contract does not fit what is pinned, or a workflow lists a tool that has
            none.
        McpPinMissing: A contract has no pin.
    """
    declared = declared_servers(files)
    contracts: dict[str, ToolContract] = {}
    rates: dict[str, Rate] = {}
    for server in declared.values():
        for tool in server.contracts:
            made = _contract(server, tool)
            if made.name in contracts or made.name in app.tools:
                raise InvalidConfig(
                    f"{server.path}, tools.{tool}: another tool is named {made.name}",
                    file=server.path,
                )
            contracts[made.name] = made
            rate = server.contracts[tool].get("rate")
            if rate is not None:
                rates[made.name] = _rate(rate, server.path, f"tools.{tool}.rate")
    for listed in app.mcp_tools.values():
        known = declared.get(listed.server)
        if known is None or listed.tool not in known.contracts:
            raise InvalidConfig(
                f"a workflow lists tool {listed.tool} of MCP server {listed.server}, and "
                f"tools/{listed.server}{ENDING} has no contract for it",
                tool=listed.name,
            )
    servers = {name: server.terms for name, server in declared.items() if server.contracts}
    return ServerTools(servers=servers, contracts=contracts, rates=rates)


def pin_findings(contracts: Mapping[str, ToolContract]) -> list[str]:
    """Say which contracts of servers' tools do not rest on a sound pin; for the gate."""
    findings = []
    for name, contract in contracts.items():
        pin = contract.mcp
        if pin is None:
            continue
        if definition_digest(pin.definition) != pin.digest:
            findings.append(f"tool {name}: its pin does not fit its definition")
        known = contract.parameters.get("properties", {})
        named = (*contract.targets, *contract.payload, *contract.key)
        findings += [f"tool {name} has no argument {arg!r}" for arg in named if arg not in known]
    return findings


def _server(name: str, given: Any, path: str) -> ServerTerms:
    table = table_of(given, _SERVER_KEYS, path, "server")
    values: dict[str, Any] = {"name": name}
    for key, value in table.items():
        where = f"server.{key}"
        if key in ("args", "env"):
            values[key] = names_of(value, path, where)
        elif key in ("command", "url"):
            values[key] = text_of(value, path, where)
        elif key == "headers":
            headers = mapping_of(value, where, path)
            values[key] = {h: text_of(v, path, f"{where}.{h}") for h, v in headers.items()}
        else:
            whole = key in ("calls_max", "answer_bytes")
            values[key] = number_of(value, path, where, whole=whole)
    try:
        return ServerTerms(**values)
    except ValueError as error:
        raise InvalidConfig(f"{path}: server {error}", file=path) from error


def _contract(server: Declared, tool: str) -> ToolContract:
    path, where, table = server.path, f"tools.{tool}", server.contracts[tool]
    name = mcp_name(server.terms.name, tool)
    if not TOOL_NAME.fullmatch(tool) or len(name) > NAME_CHARS_MAX:
        raise InvalidConfig(f"{path}, {where}: no name of a tool that models take", file=path)
    definition = server.pins.get(tool)
    if definition is None:
        raise McpPinMissing(
            f"{path} has a contract for {tool}, and nothing is pinned of it", tool=name
        )
    parameters = closed(definition.get("inputSchema") or {})
    finding = schema_finding(parameters)
    if finding is not None:
        raise InvalidConfig(f"{path}, {where}: the pinned schema {finding}", file=path)
    effect = table.get("effect")
    if effect not in ("read", "idempotent", "once"):
        said = "there is none" if effect is None else f"not {effect!r}"
        raise InvalidConfig(
            f"{path}, {where}.effect must be read, idempotent or once; {said}", file=path
        )
    pin = McpPin(
        server=server.terms.name,
        tool=tool,
        digest=definition_digest(definition),
        definition=definition,
        on_error=_on_error(table.get("on_error", "unknown"), path, f"{where}.on_error"),
    )
    targets, payload, business_key = _arguments(table, parameters, path, where)
    return ToolContract(
        name=name,
        description=_described(table, definition, path, where),
        effect=effect,
        scope=_scope(table.get("scope"), path, f"{where}.scope"),
        parameters=parameters,
        compensate=_undone_by(server, tool),
        egress=flag_of(table.get("egress", False), path, f"{where}.egress"),
        labels=_labels(table.get("labels"), pin, path, f"{where}.labels"),
        mcp=pin,
        targets=targets,
        payload=payload,
        key=business_key,
    )


def _arguments(
    table: Mapping[str, Any], parameters: Mapping[str, Any], path: str, where: str
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return targets, payload and key; each names arguments that the pinned schema has."""
    known = parameters.get("properties", {})
    found = {}
    for kind in ("targets", "payload", "key"):
        found[kind] = names_of(table.get(kind, []), path, f"{where}.{kind}")
        for argument in found[kind]:
            if argument not in known:
                names = ", ".join(sorted(known)) or "none"
                raise InvalidConfig(
                    f"{path}, {where}.{kind}: the pinned tool has no argument {argument!r}; it "
                    f"has: {names}",
                    file=path,
                )
    both = sorted(set(found["targets"]) & set(found["payload"]))
    if both:
        raise InvalidConfig(
            f"{path}, {where}.payload: {both[0]!r} says what is acted on, so it is no payload",
            file=path,
        )
    if table.get("effect") == "read" and (found["key"] or table.get("compensate")):
        raise InvalidConfig(
            f"{path}, {where}: a tool that reads has no effect to name or to undo", file=path
        )
    return found["targets"], found["payload"], found["key"]


def _undone_by(server: Declared, tool: str) -> str:
    given = server.contracts[tool].get("compensate")
    if given is None:
        return ""
    where = f"tools.{tool}.compensate"
    named = text_of(given, server.path, where)
    if named not in server.contracts:
        raise InvalidConfig(
            f"{server.path}, {where}: {named!r} is no tool that has a contract here",
            file=server.path,
        )
    return mcp_name(server.terms.name, named)


def _labels(given: Any, pin: McpPin, path: str, where: str) -> dict[str, Label]:
    if given is None:
        return {}
    known = field_paths(pin.definition["outputSchema"]) if pin.answers_structured else {""}
    labels = {"": UNDECLARED}
    for place, table in mapping_of(given, where, path).items():
        at = f"{where}.{place or chr(34) * 2}"
        if known is not None and place not in known:
            names = ", ".join(sorted(set(known) - {""})) or "none"
            raise InvalidConfig(
                f"{path}, {at}: its result has no such field; it has: {names}", file=path
            )
        table = table_of(table, ("integrity", "readers"), path, at)
        readers = table.get("readers", ["tenant"])
        named = None if readers == "everyone" else names_of(readers, path, f"{at}.readers")
        unknown = sorted(set(named or ()) - READER_WORDS)
        if unknown:
            raise InvalidConfig(
                f"{path}, {at}.readers: {unknown[0]!r} is no reader of a field; readers are "
                "everyone, or a list of tenant and user",
                file=path,
            )
        try:
            labels[place] = Label(integrity=table.get("integrity", "untrusted"), readers=named)
        except (TypeError, ValueError) as error:
            raise InvalidConfig(f"{path}, {at}.integrity: {error}", file=path) from error
    return labels


def _described(table: Mapping[str, Any], definition: Json, path: str, where: str) -> str:
    if "description" in table:
        return text_of(table["description"], path, f"{where}.description")
    return str(definition.get("description") or definition.get("title") or definition["name"])


def _scope(given: Any, path: str, where: str) -> str:
    if given is None:
        raise InvalidConfig(f"{path}, {where}: a contract needs a scope", file=path)
    return text_of(given, path, where)


def _on_error(given: Any, path: str, where: str) -> Any:
    if given not in ("failed", "unknown"):
        raise InvalidConfig(f"{path}, {where} must be failed or unknown, not {given!r}", file=path)
    return given


def _rate(given: Any, path: str, where: str) -> Rate:
    table = table_of(given, ("calls", "per_s"), path, where)
    try:
        return Rate(**table)
    except (TypeError, ValueError) as error:
        raise InvalidConfig(f"{path}, {where}: {error}", file=path) from error
