"""Reads the fenced code blocks of a Markdown file, and how each is to be tested."""

import doctest
import re
from dataclasses import dataclass
from typing import Literal

from markdown_it import MarkdownIt

Action = Literal["run", "write", "skip", "show"]

PYTHON = {"python"}
SHELL = {"bash", "console"}
# A language that is in no list is an error, so that a typo does not take a block out of the tests.
SHOWN = {"cedar", "css", "html", "ini", "json", "makefile", "markdown", "mermaid", "sql", "text"}
SHOWN |= {"toml", "yaml"}

MARK = re.compile(r"<!-- test: (?P<verb>skip|file) +(?P<rest>\S.*?) *-->")


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block. `line` is the line of its first line of code, counted from 1."""

    language: str
    code: str
    line: int
    action: Action
    file: str = ""


@dataclass(frozen=True, kw_only=True)
class Command:
    """One shell command and the output that the page shows below it; empty means any."""

    text: str
    expected: str


class MarkdownError(ValueError):
    """A block or its mark is not understood."""


def parse(text: str) -> list[Block]:
    """Returns the fenced blocks of a page in order.

    Raises:
        MarkdownError: a mark or a language is unknown, or a mark stands before no block.
    """
    blocks = []
    mark, mark_line = "", 0
    for token in MarkdownIt("commonmark").parse(text):
        first = (token.map or [0])[0] + 1
        if token.type == "html_block" and "<!-- test" in token.content:
            if mark:
                raise MarkdownError(f"line {mark_line}: a mark must stand directly before a block")
            mark, mark_line = token.content.strip(), first
        elif token.type == "fence":
            blocks.append(_block(token.info.strip(), token.content, first + 1, mark))
            mark = ""
        elif mark:
            raise MarkdownError(f"line {mark_line}: a mark must stand directly before a block")
    if mark:
        raise MarkdownError(f"line {mark_line}: a mark must stand directly before a block")
    return blocks


def _block(language: str, code: str, line: int, mark: str) -> Block:
    if mark:
        found = MARK.fullmatch(mark)
        if not found:
            raise MarkdownError(f"line {line}: write 'skip REASON' or 'file NAME', not {mark!r}")
        if found["verb"] == "skip":
            return Block(language=language, code=code, line=line, action="skip")
        return Block(language=language, code=code, line=line, action="write", file=found["rest"])
    if language in SHOWN:
        return Block(language=language, code=code, line=line, action="show")
    if language not in PYTHON | SHELL:
        raise MarkdownError(f"line {line}: unknown language {language!r}")
    return Block(language=language, code=code, line=line, action="run")


def commands(block: Block) -> list[Command]:
    """Splits a shell block into its `$ ` lines and their output. A final `\\` continues a line.

    Raises:
        MarkdownError: the block does not begin with a `$ ` line.
    """
    found: list[tuple[list[str], list[str]]] = []
    for line in block.code.splitlines():
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif not found:
            raise MarkdownError(f"line {block.line}: a shell block begins with a '$ ' line")
        elif not found[-1][1] and found[-1][0][-1].endswith("\\"):
            found[-1][0].append(line)
        else:
            found[-1][1].append(line)
    if not found:
        raise MarkdownError(f"line {block.line}: an empty shell block")
    return [Command(text="\n".join(text), expected="\n".join(out).strip()) for text, out in found]


def matches(expected: str, actual: str) -> bool:
    """Tells whether the output is the expected one; `...` stands for any lines or part of one."""
    want, got = (
        "".join(f"{line.rstrip()}\n" for line in text.strip().splitlines())
        for text in (expected, actual)
    )
    return doctest.OutputChecker().check_output(
        want, got, doctest.ELLIPSIS | doctest.DONT_ACCEPT_TRUE_FOR_1
    )
