"""Every code block of the README and the docs runs, so that a page cannot drift from the code.

- `python` blocks are executed, all blocks of a page in one namespace.
- `console` and `bash` blocks: each `$ ` line runs in a shell. The lines below it are the output;
  `...` stands for any text. Folder and variables last from one command to the next.
- `<!-- test: file NAME -->` before a block writes it to NAME instead.
- `<!-- test: skip REASON -->` before a block leaves it out.

A page has one temporary folder, which is its HOME. FAIRLEAD_CHECKOUT names this repository.
The page on PostgreSQL finds a server by PostgreSQL's own variables, with a database `fairlead`.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest

from fairlead.testing.postgres import SUPERUSER, PostgresServer
from tests.docs_blocks import PYTHON, Block, commands, matches, parse
from tests.forked import forked

ROOT = Path(__file__).resolve().parents[1]
PAGES = [page for page in [ROOT / "README.md"] if page.exists()]
PAGES += sorted((ROOT / "docs").rglob("*.md"))

POSTGRES_PAGE = "use-postgresql.md"
COMMAND_SECONDS_MAX = 100

# Takes over folder and variables from the command before, and leaves its own.
WRAPPER = """
[ -f "$STATE" ] && . "$STATE"
eval "$1"
ended=$?
{ export -p; printf 'cd %q\\n' "$PWD"; } >"$STATE"
exit $ended
"""


class Shell:
    """Runs the commands of one page, one after the other."""

    def __init__(self, folder: Path, state: Path) -> None:
        self._folder = folder
        self._state = state
        self._groups: list[int] = []
        mine = ("FAIRLEAD_", "PG")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(mine)}
        self.environment |= {
            "PATH": os.pathsep.join(
                (
                    str(forked().parent),
                    str(Path(sys.executable).parent),
                    os.environ["PATH"],
                )
            ),
            "HOME": str(folder),
            "FAIRLEAD_CHECKOUT": str(ROOT),
            "STATE": str(state / "state"),
            "COLUMNS": "100",
            "NO_COLOR": "1",
            "TERM": "dumb",
        }

    def run(self, text: str) -> tuple[int, str]:
        """Returns the exit status, and what was written to stdout and stderr."""
        # To a file and not to a pipe: a server that the page starts with `&` would hold the pipe.
        output = self._state / "output"
        with output.open("wb") as sink:
            process = subprocess.Popen(
                ["bash", "-c", WRAPPER, "page", text],
                cwd=self._folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._groups.append(process.pid)
            status = process.wait(COMMAND_SECONDS_MAX)
        return status, output.read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        """Ends what the page left running."""
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)


@pytest.fixture
def shell(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    shell = Shell(tmp_path, tmp_path_factory.mktemp("shell"))
    yield shell
    shell.close()


@pytest.fixture
def database_of_the_page(postgres: PostgresServer) -> Iterator[dict[str, str]]:
    postgres.execute("CREATE DATABASE fairlead")
    yield {"PGHOST": str(postgres.folder), "PGUSER": SUPERUSER}
    postgres.execute("DROP DATABASE fairlead WITH (FORCE)")


def run_python(block: Block, page: Path, module: ModuleType) -> None:
    # Empty lines before the code, so that a traceback shows the line of the page.
    code = "\n" * (block.line - 1) + block.code
    exec(compile(code, str(page), "exec"), vars(module))


def run_page(page: Path, folder: Path, shell: Shell, module: ModuleType) -> None:
    for block in parse(page.read_text(encoding="utf-8")):
        at = f"{page.name}:{block.line}"
        if block.action == "write":
            target = folder / block.file
            assert target.resolve().is_relative_to(folder.resolve()), f"{at}: outside the folder"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.code, encoding="utf-8")
        elif block.action == "run" and block.language in PYTHON:
            run_python(block, page, module)
        elif block.action == "run":
            for command in commands(block):
                status, output = shell.run(command.text)
                assert status == 0, f"{at}: exit {status}: {command.text}\n{output}"
                if command.expected and not matches(command.expected, output):
                    pytest.fail(
                        f"{at}: {command.text}\n--- the page\n{command.expected}\n--- now\n{output}"
                    )


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The namespace of a page. It is registered, because type hints are looked up there."""
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_page(
    page: Path,
    tmp_path: Path,
    shell: Shell,
    module: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if page.name == POSTGRES_PAGE:
        shell.environment |= request.getfixturevalue("database_of_the_page")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FAIRLEAD_CHECKOUT", str(ROOT))
    run_page(page, tmp_path, shell, module)
