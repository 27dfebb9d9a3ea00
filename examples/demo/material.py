"""What the demo works with: documents, questions, and a copy of the example app."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from fairlead.core.text import sentences, terms
from fairlead.operations import Platform

ROOT = Path(__file__).parents[2]
QUESTIONS_LEAST = 20


@dataclass(frozen=True)
class Material:
    """Where the demo's things are.

    Attributes:
        app: A copy of the example app.
        documents: The folder that is ingested.
        executions: The file to which bodies append.
        own: Whether documents and questions are the repository's own.
    """

    app: Path
    documents: Path
    executions: Path
    own: bool


def prepare(folder: Path, docs: str | None) -> Material:
    """Copy the example app, and gather the documents.

    Args:
        folder: An empty folder.
        docs: A folder of documents; None for the repository's README and docs.
    """
    app, documents = folder / "answers", folder / "documents"
    ignored = shutil.ignore_patterns(".fairlead", "__pycache__")
    shutil.copytree(ROOT / "examples" / "answers", app, ignore=ignored)
    if docs is None:
        shutil.copytree(ROOT / "docs", documents)
        shutil.copy(ROOT / "README.md", documents / "README.md")
    else:
        documents = Path(docs).resolve()
    set_value(app / "fairlead.toml", "path", f'"{documents.as_posix()}"')
    return Material(
        app=app, documents=documents, executions=folder / "executions.txt", own=docs is None
    )


def set_value(path: Path, key: str, value: str) -> None:
    """Change one value of a TOML file, as an editor would."""
    text = path.read_text(encoding="utf-8")
    changed, count = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
    if count != 1:
        raise SystemExit(f"{path} has {count} lines with {key}")
    path.write_text(changed, encoding="utf-8")


def add_line(path: Path, line: str) -> None:
    """Put a line behind a text file, in the place of what was put there before."""
    text = path.read_text(encoding="utf-8").split("\n\n---\n")[0].rstrip()
    path.write_text(f"{text}\n\n---\n\n{line}\n", encoding="utf-8")


def questions(material: Material, file: str | None, platform: Platform) -> list[str]:
    """Return at least 20 questions.

    Args:
        material: Where the demo's things are.
        file: A file with one question per line; None for the example's own, or for questions
            made from the documents when these are somebody else's.
        platform: The open platform, with the documents ingested.
    """
    if file is not None or material.own:
        path = Path(file) if file else ROOT / "examples" / "answers" / "questions.txt"
        lines = path.read_text(encoding="utf-8").splitlines()
        found = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    else:
        found = _from_documents(platform)
        _write_evaluation(material.app, found)
    if not found:
        raise SystemExit("there is nothing to ask: the documents hold no sentence of six words")
    while len(found) < QUESTIONS_LEAST:
        found += found
    return found[: max(QUESTIONS_LEAST, 40)]


def _from_documents(platform: Platform) -> list[str]:
    """Ask for a sentence of each passage by its own words."""
    with platform.database.reading() as connection:
        texts = [row[0] for row in connection.exec_driver_sql("SELECT text FROM passages")]
    found = []
    for text in texts:
        for start, end in sentences(text):
            words = terms(text[start:end])
            if 6 <= len(words) <= 30:
                found.append(f"Can anybody explain {' '.join(words[:6])}?")
                break
    step = max(1, len(found) // 24)
    return found[::step][:24]


def _write_evaluation(app: Path, found: list[str]) -> None:
    cases = "".join(
        f"  - name: q{number}\n    inputs: {{question: {question!r}}}\n"
        for number, question in enumerate(found[:10], 1)
    )
    text = f"name: answer\nevaluators:\n  - State: succeeded\ncases:\n{cases}"
    (app / "evals" / "answer.yaml").write_text(text, encoding="utf-8")
