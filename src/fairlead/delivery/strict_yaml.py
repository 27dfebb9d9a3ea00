"""Reads YAML that a person wrote and that decides what may be done: nothing in it is ambiguous."""

from __future__ import annotations

from typing import Any

import yaml

from fairlead.core.errors import InvalidConfig

CHARS_MAX = 200_000


class _Strict(yaml.SafeLoader):
    """Plain values only; a key stands once, and nothing stands for something else."""

    # The library's own scanner has no types.
    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise yaml.constructor.ConstructorError(f"an alias is not allowed{event.start_mark}")
        return super().compose_node(parent, index)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        # To YAML 1.1, and to no reader, 010 is 8 and 1:30 is 90.
        digits = node.value.lstrip("+-")
        if ":" in digits or (len(digits) > 1 and digits[0] == "0" and digits[1] in "01234567_"):
            problem = f"the number {node.value} can be read in two ways"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return int(super().construct_yaml_int(node))

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        if ":" in node.value:
            problem = f"the number {node.value} can be read in two ways"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return float(super().construct_yaml_float(node))

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                problem = f"the key {key!r} is no text"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            if key in seen:
                problem = f"the key {key!r} stands twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


_Strict.add_constructor("tag:yaml.org,2002:int", _Strict.construct_yaml_int)
_Strict.add_constructor("tag:yaml.org,2002:float", _Strict.construct_yaml_float)


def read_yaml(text: str, path: str) -> Any:
    """Return what stands in a YAML text.

    Args:
        text: The text.
        path: Its file, for the message.

    Raises:
        InvalidConfig: It is no YAML, has a key twice, an alias, or several documents.
    """
    if len(text) > CHARS_MAX:
        raise InvalidConfig(f"{path} has more than {CHARS_MAX} characters", file=path)
    try:
        loader = _Strict(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    # A date that is none, or a text that is nested without end, is no YAML of ours either.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        what = " ".join(str(error).split()) or type(error).__name__
        raise InvalidConfig(f"{path} is not understood: {what}", file=path) from error
