"""What is wrong from outside gives one clear message with a code, and nothing half-written."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.support.cli import Cli, ready_app

pytestmark = pytest.mark.acceptance

QUESTION = "How many days of PTO?"


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return ready_app(tmp_path / "app")


def database_of(cli: Cli) -> Path:
    return cli.folder / ".fairlead" / "fairlead.db"


def count(cli: Cli, table: str) -> int:
    with closing(sqlite3.connect(database_of(cli))) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


# -------------------------------------------------------------------------------- the app's folder


def test_no_app_here(tmp_path: Path) -> None:
    Cli(tmp_path).refuses("FL-001", "check")
    assert list(tmp_path.iterdir()) == []


def test_init_writes_over_nothing(tmp_path: Path) -> None:
    kept = tmp_path / "app" / "kept.txt"
    kept.parent.mkdir()
    kept.write_text("mine")
    cli = Cli(kept.parent)
    cli.refuses("FL-007", "init", str(kept.parent))
    cli.refuses("FL-007", "init", str(kept))
    cli.refuses("FL-008", "init", str(kept / "below-a-file"))
    assert [path.name for path in tmp_path.rglob("*")] == ["app", "kept.txt"]


@pytest.mark.parametrize(
    "line", ["import no_such_module", "raise SystemExit(0)", "def broken(:", "app = None"]
)
def test_an_app_that_does_not_import(cli: Cli, line: str) -> None:
    before = count(cli, "releases")
    module = cli.folder / "app.py"
    module.write_text(module.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    said = cli.refuses("FL-002", "release", "create")
    assert "app.py" in said
    assert count(cli, "releases") == before


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("top_k = 5", "top_k = 0", "top_k"),
        ("top_k = 5", "top_kk = 5", "top_kk"),
        ("[app]", "[app", "fairlead.toml"),
        ("answer.yaml", "missing.yaml", "missing.yaml"),
    ],
)
def test_a_configuration_that_is_not_understood(cli: Cli, old: str, new: str, named: str) -> None:
    edit(cli.folder / "fairlead.toml", old, new)
    assert named in cli.refuses("FL-005", "check")


def test_policies_that_no_run_could_decide_by_get_no_release(cli: Cli) -> None:
    before = count(cli, "releases")
    deep = "permit (principal, action, resource) when { " + "(" * 5000
    (cli.folder / "policies" / "deep.cedar").write_text(deep, encoding="utf-8")
    for arguments in (("release", "create"), ("policy", "try", str(cli.folder / "policies"))):
        assert "deep.cedar, line 1" in cli.refuses("FL-005", *arguments)
    assert count(cli, "releases") == before
    checks = {one["name"]: one for one in cli.json("check", status=1)["checks"]}
    assert "brackets nest deeper" in str(checks["policy"]["findings"])


# ------------------------------------------------------------------------------------------- runs


def test_an_unknown_workflow(cli: Cli) -> None:
    assert "answer" in cli.refuses("FL-003", "run", "refund", QUESTION)
    assert count(cli, "runs") == 0


@pytest.mark.parametrize(
    "text", ['{"question": 7}', '{"q": "x"}', b"caf\xe9".decode("utf-8", "surrogateescape")]
)
def test_an_input_that_does_not_fit(cli: Cli, text: str) -> None:
    cli.refuses("FL-004", "run", "answer", text)
    assert count(cli, "runs") == 0


def test_arguments_that_are_not_understood(cli: Cli) -> None:
    for arguments in (["run"], ["runs", "list", "--state", "lost"], ["ingest", "--from", "."]):
        ended = cli(*arguments, status=2)
        assert ended.stdout == ""
        assert "Usage: fairlead" in ended.stderr
    cli.refuses("FL-400", "runs", "show", "00")
    cli.refuses("FL-300", "release", "show", "00")


def test_a_model_without_a_provider(cli: Cli) -> None:
    edit(cli.folder / "fairlead.toml", "fairlead:extractive", "openai:gpt-5")
    edit(cli.folder / "policies" / "answer.cedar", "fairlead:extractive", "openai:gpt-5")
    found = cli.json("check", status=1)["checks"]
    model = next(check for check in found if check["name"] == "model")
    assert model["conclusion"] == "failure"
    assert model["findings"][0].startswith(("FL-601", "FL-600"))


def test_a_worker_without_its_code(cli: Cli) -> None:
    release = cli.json("release", "list")[0]["release"]
    cli.refuses("FL-300", "worker", "--release", "00")
    with (cli.folder / "app.py").open("a") as module:
        module.write("\n# Other code now.\n")
    # A release that was made before releases held their files.
    with closing(sqlite3.connect(cli.folder / ".fairlead" / "fairlead.db")) as database, database:
        database.execute("UPDATE releases SET archive = NULL")
    cli.refuses("FL-301", "worker", "--release", release)
    cli.refuses("FL-301", "run", "answer", QUESTION)
    assert count(cli, "runs") == 0
    assert count(cli, "workers") == 0


# -------------------------------------------------------------------------------------- documents


def test_documents_that_cannot_be_read(cli: Cli, tmp_path: Path) -> None:
    folder = cli.folder / "documents"
    outside = tmp_path / "secret.md"
    outside.write_text("# Secret\n\nNot for the handbook.\n")
    (folder / "a-empty.md").write_text("  \n")
    (folder / "b-binary.md").write_bytes(b"# A\x00\x01\x02")
    (folder / "c-encoding.md").write_bytes(b"caf\xe9 au lait")
    with (folder / "d-large.md").open("wb") as large:
        large.truncate(200_000_000)
    (folder / "e-outside.md").symlink_to(outside)
    (folder / "f-dangling.md").symlink_to(folder / "nowhere.md")
    os.mkfifo(folder / "g-pipe.md")
    (folder / "good.md").write_text("# Good\n\nThis one is fine.\n")

    ended = cli("ingest", "--json", status=1)
    assert "Traceback" not in ended.stderr
    counts = json.loads(ended.stdout)[0]
    assert (counts["written"], counts["unchanged"], counts["removed"]) == (1, 2, 0)
    codes = {error["ids"]["document"]: error["code"] for error in counts["refused"]}
    assert codes["a-empty.md"] == "FL-110"
    assert codes["b-binary.md"] == "FL-111"
    assert codes["c-encoding.md"] == "FL-112"
    assert codes["d-large.md"] == "FL-113"
    assert codes["e-outside.md"] == "FL-114"
    assert codes["g-pipe.md"] == "FL-115"
    said = [line for line in ended.stderr.splitlines() if line.startswith("FL-")]
    assert sorted(line[:6] for line in said) == sorted(codes.values())
    with closing(sqlite3.connect(database_of(cli))) as database:
        stored = {row[0] for row in database.execute("SELECT path FROM documents")}
    assert stored == {"leave.md", "incidents.md", "good.md"}


def test_a_folder_that_is_not_there(cli: Cli) -> None:
    cli.refuses("FL-117", "ingest", "handbook", "--from", str(cli.folder / "nowhere"))
    cli.refuses("FL-117", "ingest", "other")
    assert count(cli, "documents") == 2


# ----------------------------------------------------------------------------------- the database


def test_a_database_that_cannot_be_opened(cli: Cli) -> None:
    file = cli.folder / "fairlead.toml"
    for path in (file / "below" / "x.db", cli.folder / "documents"):
        elsewhere = cli.with_environment(FAIRLEAD_DATABASE_URL=f"sqlite:///{path}")
        elsewhere.refuses("FL-205", "runs", "list")


def test_a_disk_without_room(cli: Cli) -> None:
    size = database_of(cli).stat().st_size

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    (cli.folder / "documents" / "long.md").write_text("# Long\n\n" + "A new sentence. " * 50_000)
    said = cli("ingest", status=2, preexec_fn=bounded).stderr
    assert "Traceback" not in said
    assert said.splitlines()[-2][:6] in ("FL-201", "FL-205")
    assert count(cli, "documents") == 2
    assert cli.json("events", "verify")["findings"] == []
    cli("ingest")
    assert count(cli, "documents") == 3


def test_a_database_that_another_process_holds(cli: Cli) -> None:
    quick = cli.with_environment(FAIRLEAD_DATABASE_BUSY_TIMEOUT_S="1")
    with closing(sqlite3.connect(database_of(cli), isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        quick.refuses("FL-202", "ingest")
        quick.refuses("FL-202", "run", "answer", QUESTION, "--detach")
        quick.refuses("FL-202", "worker")
        holder.execute("ROLLBACK")
    assert count(cli, "runs") == 0


def test_a_file_that_is_no_database(cli: Cli) -> None:
    for journal in (".fairlead/fairlead.db-wal", ".fairlead/fairlead.db-shm"):
        (cli.folder / journal).unlink(missing_ok=True)
    garbage = random.Random(1).randbytes(20_000)
    database_of(cli).write_bytes(garbage)
    cli.refuses("FL-203", "runs", "list")
    cli.refuses("FL-203", "ingest")
    assert database_of(cli).read_bytes() == garbage


@pytest.mark.parametrize("seed", range(3))
def test_a_database_with_damaged_pages(cli: Cli, seed: int) -> None:
    with closing(sqlite3.connect(database_of(cli))) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    chance = random.Random(seed)
    data = bytearray(database_of(cli).read_bytes())
    for page in range(1, len(data) // 4096):
        if chance.random() < 0.7:
            at = page * 4096 + chance.randrange(4000)
            data[at : at + 90] = chance.randbytes(90)
    database_of(cli).write_bytes(data)
    for command in (["events", "verify"], ["run", "answer", QUESTION, "--detach"]):
        ended = cli(*command, status=2)
        assert "Traceback" not in ended.stderr, ended.stderr
        assert ended.stderr.splitlines()[-2].startswith(("FL-203", "FL-205", "FL-305", "FL-700"))


def test_a_database_of_a_newer_version(cli: Cli) -> None:
    with closing(sqlite3.connect(database_of(cli))) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "9999" in cli.refuses("FL-204", "runs", "list")


def test_an_event_that_was_changed(cli: Cli) -> None:
    for change in ("data = '{}'", "type = 'no.such.type'"):
        shutil.copy(database_of(cli), cli.folder / "kept.db")
        with closing(sqlite3.connect(database_of(cli))) as database, database:
            database.execute(f"UPDATE events SET {change} WHERE type = 'gate.finished'")
        ended = cli("events", "verify", status=2)
        assert ended.stderr.startswith("FL-700  ")
        shutil.copy(cli.folder / "kept.db", database_of(cli))
