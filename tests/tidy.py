"""Rules about the source that a reader would otherwise have to remember.

Every rule is a function that returns its findings as lines of text, so that a test can try it on a
small tree of its own. `tests/test_tidy.py` applies the rules to this repository.
"""

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType

import grimp

ROOMS = ("src", "tests", "examples", "benchmarks")
FACES = ("fairlead", "fairlead.operations", "fairlead.testing")

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
POSITIONAL_MAX = 4
PARAMETERS_MAX = 6

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One Python file: its path below the root, its text and its tree."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    def functions(self) -> Iterator[Function]:
        """Every function of the file, also the nested ones."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    def where(self, node: ast.stmt | ast.expr) -> str:
        return f"{self.path}:{node.lineno}"


def sources(root: Path) -> list[Source]:
    """The Python files of the four rooms, in a stable order."""
    found = sorted(path for room in ROOMS for path in (root / room).rglob("*.py"))
    return [
        Source(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
        for path in found
        if "__pycache__" not in path.parts
    ]


# ----------------------------------------------------------------------------------- one file each


def long_file(source: Source) -> list[str]:
    """A module fits in the head."""
    lines = len(source.text.splitlines())
    if lines <= FILE_LINES_MAX:
        return []
    return [f"{source.path}: {lines} lines, at most {FILE_LINES_MAX}; split it by what it knows"]


def long_functions(source: Source) -> list[str]:
    """A function fits on a screen. Its docstring does not count."""
    found = []
    for function in source.functions():
        lines = _lines(function)
        if ast.get_docstring(function, clean=False) is not None:
            lines -= _lines(function.body[0])
        if lines > FUNCTION_LINES_MAX:
            found.append(
                f"{source.where(function)}: {function.name} has {lines} lines,"
                f" at most {FUNCTION_LINES_MAX}; move its leaves into functions of their own"
            )
    return found


def many_parameters(source: Source) -> list[str]:
    """A call can be read without its definition. Tests are free: pytest passes their fixtures."""
    if source.path.startswith("tests/"):
        return []
    methods = {
        id(node)
        for parent in ast.walk(source.tree)
        if isinstance(parent, ast.ClassDef)
        for node in parent.body
        if isinstance(node, Function) and "staticmethod" not in map(_dotted, node.decorator_list)
    }
    found = []
    for function in source.functions():
        if "overload" in map(_dotted, function.decorator_list):
            continue  # the definition that follows its overloads is what counts
        arguments = function.args
        positional = len(arguments.posonlyargs) + len(arguments.args) - (id(function) in methods)
        every = positional + len(arguments.kwonlyargs)
        at = f"{source.where(function)}: {function.name}"
        if positional > POSITIONAL_MAX:
            found.append(
                f"{at} has {positional} positional parameters, at most {POSITIONAL_MAX};"
                " make the options keyword-only"
            )
        if every > PARAMETERS_MAX and not _is_waived(source, function):
            found.append(
                f"{at} has {every} parameters, at most {PARAMETERS_MAX}; group them in a value,"
                " or write '# noqa: PLR0913 - why' on the def line"
            )
    return found


def no_docstring(source: Source) -> list[str]:
    """A module says in one line what it is for."""
    if ast.get_docstring(source.tree):
        return []
    return [f"{source.path}:1: the module has no docstring"]


@dataclass(frozen=True)
class Ban:
    """Names that must not be called or imported below a folder, and what to do instead."""

    below: str
    names: tuple[str, ...]
    instead: str
    exempt: str = "(none)"


BANS = (
    Ban("", ("pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve"), "use JSON"),
    Ban("src/", ("print",), "return text, or log", exempt="src/fairlead/entrypoints/"),
    Ban("tests/unit/", ("time.sleep",), "inject a clock and move it"),
    Ban(
        "src/fairlead/core/",
        ("open", "input", "os", "socket", "subprocess", "time.sleep"),
        "the core does no I/O; take it from a port",
    ),
    Ban(
        "src/fairlead/core/",
        ("time.time", "time.monotonic", "datetime.datetime.now", "datetime.date.today"),
        "the core has no clock; take the time as an argument",
    ),
    Ban(
        "src/fairlead/core/",
        ("random.random", "random.choice", "random.randint", "secrets", "uuid.uuid4"),
        "the core has no chance; take the value as an argument",
    ),
)


def banned_names(source: Source) -> list[str]:
    """Nothing uses a name that has a better one in this house."""
    bans = [
        b for b in BANS if source.path.startswith(b.below) and not source.path.startswith(b.exempt)
    ]
    found = []
    for node, name in _used_names(source.tree):
        for ban in bans:
            if any(name == banned or name.startswith(f"{banned}.") for banned in ban.names):
                found.append(f"{source.where(node)}: {name} is not used here; {ban.instead}")
    return found


def more_than_reexports(source: Source) -> list[str]:
    """The package's face holds a docstring, imports and `__all__`, so that it cannot hide code."""
    if source.path != "src/fairlead/__init__.py":
        return []
    return [
        f"{source.where(node)}: the face only re-exports; move this to the room that owns it"
        for node in source.tree.body[1:]
        if not isinstance(node, ast.Import | ast.ImportFrom) and not _assigns(node, "__all__")
    ]


FILE_RULES: tuple[Callable[[Source], list[str]], ...] = (
    long_file,
    long_functions,
    many_parameters,
    no_docstring,
    banned_names,
    more_than_reexports,
)


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _is_waived(source: Source, function: Function) -> bool:
    line = source.text.splitlines()[function.lineno - 1]
    return re.search(r"# noqa: PLR0913 - \w", line) is not None


def _dotted(node: ast.expr) -> str:
    """`a.b.c` for a chain of names, else nothing."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := _dotted(node.value)):
        return f"{owner}.{node.attr}"
    return ""


def _assigns(node: ast.stmt, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def _used_names(tree: ast.Module) -> Iterator[tuple[ast.stmt | ast.expr, str]]:
    """Every imported and every called name, by its full name whatever the file calls it."""
    full: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    full[alias.asname] = alias.name
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                full[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                yield node, f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := _dotted(node.func)):
            head, dot, rest = name.partition(".")
            yield node, full.get(head, head) + dot + rest


# ------------------------------------------------------------------------------- the whole package


def dead_modules(root: Path, package: str = "fairlead") -> list[str]:
    """Every module is imported by another one, or is a way in."""
    graph = grimp.build_graph(package, cache_dir=None)
    by_tests = {
        name
        for source in sources(root)
        if not source.path.startswith("src/")
        for _, name in _used_names(source.tree)
    }
    found = []
    for path in sorted((root / "src" / package).rglob("*.py")):
        parts = path.relative_to(root / "src").with_suffix("").parts
        # Alembic finds its migrations by their folder; a template is copied, not imported.
        if parts[1] in ("entrypoints", "templates") or "migrations" in parts:
            continue
        if parts[-1].startswith("__"):
            continue
        module = ".".join(parts)
        if module in FACES or graph.find_modules_that_directly_import(module):
            continue
        # The third face is for tests, so a test is user enough for it.
        if parts[1] == "testing" and any(f"{n}.".startswith(f"{module}.") for n in by_tests):
            continue
        found.append(f"src/{'/'.join(parts)}.py: nothing imports it; wire it or delete it")
    return found


def untidy_faces(names: Sequence[str] = FACES) -> list[str]:
    """Each public name is sorted, stands on one face, and says what it is."""
    found: list[str] = []
    owner: dict[str, str] = {}
    for face in map(importlib.import_module, names):
        public: list[str] = list(face.__all__)
        if public != sorted(public):
            found.append(f"{face.__name__}.__all__ is not sorted; it should be {sorted(public)}")
        for name in public:
            first = owner.setdefault(name, face.__name__)
            if first != face.__name__ or public.count(name) > 1:
                found.append(f"{face.__name__}.{name}: already on the face {first}")
            found += _poor_docstrings(face, name)
    return found


def _poor_docstrings(face: ModuleType, name: str) -> list[str]:
    thing = getattr(face, name)
    label = f"{face.__name__}.{name}"
    if inspect.isclass(thing):
        # Not inspect.getdoc: a class must not borrow the docstring of its base.
        own = thing.__dict__.get("__doc__") or ""
        generated = own.startswith(f"{thing.__name__}(")
        found = _poor_first_line(label, "" if generated else own)
        for member, function in _public_methods(thing):
            found += _poor_first_line(f"{label}.{member}", inspect.getdoc(function) or "")
        return found
    if inspect.isroutine(thing):
        return _poor_first_line(label, inspect.getdoc(thing) or "")
    return []  # a constant or a type alias has no docstring of its own


def _public_methods(owner: type) -> Iterator[tuple[str, object]]:
    for name, member in vars(owner).items():
        is_method = inspect.isroutine(member) or isinstance(member, property | cached_property)
        if is_method and not name.startswith("_"):
            yield name, getattr(owner, name)


def _poor_first_line(label: str, docstring: str) -> list[str]:
    line = docstring.strip().partition("\n")[0].strip()
    if not line:
        return [f"{label}: no docstring"]
    if not re.search(r"[.?!]$", line) or re.search(r"[.?!] [A-Z]", line):
        return [f"{label}: the first line of its docstring is not one sentence: {line!r}"]
    return []


# ------------------------------------------------------------------------------------------- texts

# In two halves, so that this file does not trip over itself.
HOSTS = tuple(
    ".".join(halves)
    for halves in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("crates", "io"),
        ("anaconda", "org"),
        ("proxy.golang", "org"),
    )
)
LOCAL_PATH = re.compile(r"(?<![\w.~-])/(?:work|root)/")
MADR_SECTIONS = ("Context and Problem Statement", "Considered Options", "Decision Outcome")


def leaked_places(root: Path) -> list[str]:
    """No text names a package registry or a folder of the machine that it was written on."""
    found = []
    for path in _tracked(root):
        try:
            text = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue  # a picture, or a file that is deleted but not committed yet
        for number, line in enumerate(text.splitlines(), 1):
            if LOCAL_PATH.search(line) or any(host in line for host in HOSTS):
                found.append(f"{path.relative_to(root)}:{number}: names a place: {line.strip()}")
    return found


def _tracked(root: Path) -> Iterable[Path]:
    """What git knows or would add; without git (an unpacked archive), what is not hidden."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if listing.returncode == 0:
        return [root / name for name in listing.stdout.split("\0") if name]
    every = (path for path in root.rglob("*") if path.is_file())
    return [p for p in every if not any(x.startswith(".") for x in p.relative_to(root).parts)]


def poor_decision_records(root: Path) -> list[str]:
    """A decision record has the sections of MADR."""
    return [
        f"{path.relative_to(root)}: no section '## {section}'"
        for path in sorted((root / "docs" / "decisions").glob("[0-9]*.md"))
        for section in MADR_SECTIONS
        if not re.search(rf"^## {section}$", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]


# ----------------------------------------------------------------------------------------- imports


def third_party_loaded_by(statement: str) -> set[str]:
    """The installed packages that a fresh interpreter has loaded after the statement."""
    return (_loaded_by(statement) - _loaded_by("pass")) & set(packages_distributions())


def _loaded_by(statement: str) -> set[str]:
    # On stderr's last line, because the statement may print.
    program = (
        "import json, sys\n"
        f"try:\n    {statement}\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "print(json.dumps([name.partition('.')[0] for name in sys.modules]), file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    return set(json.loads(ended.stderr.splitlines()[-1]))
