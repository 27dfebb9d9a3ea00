"""The parser of the docs' code blocks."""

import pytest

from tests.docs_blocks import Block, Command, MarkdownError, commands, matches, parse


def shell(code: str) -> Block:
    return Block(language="console", code=code, line=1, action="run")


def test_blocks_have_language_code_and_line() -> None:
    page = "# Title\n\n```python\nx = 1\n```\n\ntext\n\n```toml\na = 1\n```\n"
    assert parse(page) == [
        Block(language="python", code="x = 1\n", line=4, action="run"),
        Block(language="toml", code="a = 1\n", line=10, action="show"),
    ]


def test_a_block_in_a_list_loses_its_indent() -> None:
    assert parse("1. Do\n\n   ```bash\n   $ ls\n   ```\n")[0].code == "$ ls\n"


def test_a_longer_fence_holds_a_shorter_one() -> None:
    page = "````markdown\n```python\n1/0\n```\n````\n"
    assert [block.action for block in parse(page)] == ["show"]


@pytest.mark.parametrize("gap", ["\n", "\n\n"])
def test_a_mark_skips_the_block_or_names_its_file(gap: str) -> None:
    skipped = f"<!-- test: skip needs a cluster -->{gap}```bash\n$ boom\n```\n\n"
    written = f"<!-- test: file app/a.py -->{gap}```python\n1\n```\n"
    first, second = parse(skipped + written)
    assert first.action == "skip"
    assert (second.action, second.file) == ("write", "app/a.py")


@pytest.mark.parametrize(
    "page",
    [
        "<!-- test: skip -->\n```bash\n$ a\n```\n",
        "<!-- test: skip   -->\n```bash\n$ a\n```\n",
        "<!-- test: file -->\n```bash\n$ a\n```\n",
        "<!-- test: ignore x -->\n```bash\n$ a\n```\n",
        "<!-- test:skip x -->\n```bash\n$ a\n```\n",
        "<!-- test: skip x -->\n\ntext\n\n```bash\n$ a\n```\n",
        "<!-- test: skip x -->\n\n<!-- test: skip x -->\n\n```bash\n$ a\n```\n",
        "<!-- test: skip x -->\n",
        "```pyhton\n1\n```\n",
        "```\n1\n```\n",
    ],
)
def test_what_is_not_understood_is_an_error(page: str) -> None:
    with pytest.raises(MarkdownError, match="line "):
        parse(page)


def test_other_comments_are_no_marks() -> None:
    assert parse("<!-- a note -->\n\n```python\n1\n```\n")[0].action == "run"


def test_commands_and_their_output() -> None:
    block = shell("$ a\nout 1\n\nout 2\n$ b \\\n  --more\n$ c\n")
    assert commands(block) == [
        Command(text="a", expected="out 1\n\nout 2"),
        Command(text="b \\\n  --more", expected=""),
        Command(text="c", expected=""),
    ]


@pytest.mark.parametrize("code", ["", "ls\n", "out\n$ ls\n"])
def test_a_shell_block_begins_with_a_command(code: str) -> None:
    with pytest.raises(MarkdownError):
        commands(shell(code))


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("a", "a\n", True),
        ("a\nb", "a  \nb\n", True),
        ("run ... done", "run 17 done\n", True),
        ("a\n...\nz", "a\nb\nc\nz\n", True),
        ("a", "b\n", False),
        ("a", "a\nb\n", False),
        ("a\n...\nz", "a\nb\n", False),
    ],
)
def test_output_matches(expected: str, actual: str, same: bool) -> None:
    assert matches(expected, actual) is same
