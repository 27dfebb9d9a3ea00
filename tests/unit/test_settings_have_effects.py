"""Every setting reaches what it is for: from the file, and from the environment, which wins."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from fairlead import App
from fairlead.adapters.files.reader import FolderReader
from fairlead.adapters.otel import telemetry as otel
from fairlead.adapters.otel.null import NullTelemetry
from fairlead.bootstrap import Platform, load_app, make_gate, open_platform, resolve_app
from fairlead.core.erasure import Erasure
from fairlead.core.errors import FairleadError
from fairlead.entrypoints.cli.scaffold import make_app
from fairlead.operations import init_audit
from fairlead.ports.app_files import AppFiles
from fairlead.settings import SETTINGS, Setting, Settings, load_settings
from tests.unit.delivery_effects import DELIVERY
from tests.unit.identity_effects import IDENTITY, beside
from tests.unit.release_effects import folders_kept, largest_archive, read_by_code

FILES = AppFiles(code={"app.py": b""}, bundle={"fairlead.toml": b""})
APP = 'import fairlead as fl\n\napp = fl.App("{name}", workflows=[])\n'
SIZES = (3, 30, 300, 3000)


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a setting does.

    Attributes:
        of: Shows it.
        default: What is seen without a value.
        file: Its value in the file as TOML, and what is seen then.
        env: Its value in the environment, and what is seen then; None for no variable.
    """

    of: Callable[[Settings], Any]
    default: Any
    file: tuple[str, Any]
    env: tuple[str, Any] | None


def on_platform(read: Callable[[Platform], Any]) -> Callable[[Settings], Any]:
    """Open the platform, as every command does, and read something of it."""

    def effect(settings: Settings) -> Any:
        with open_platform(settings, telemetry=NullTelemetry()) as platform:
            return read(platform)

    return effect


def pragma(name: str) -> Callable[[Platform], set[Any]]:
    """Read a pragma on every kind of connection that a process has."""

    def read(platform: Platform) -> set[Any]:
        found = set()
        for engine in (platform.database.engine, platform.engine_connections):
            with engine.connect() as connection:
                found.add(connection.exec_driver_sql(f"PRAGMA {name}").scalar())
        return found

    return read


def database(platform: Platform) -> set[str]:
    """Return which file each kind of connection has open."""
    folder, found = platform.settings.folder, set()
    for engine in (platform.database.engine, platform.engine_connections):
        with engine.connect() as connection:
            opened = connection.exec_driver_sql("PRAGMA database_list").fetchall()
            opened = [row for row in opened if row[1] == "main"]
            assert sa.inspect(connection).has_table("workflow_status")
            assert sa.inspect(connection).has_table("alembic_version")
        found |= {str(Path(row[2]).relative_to(folder)) for row in opened}
    return found


def largest(platform: Platform) -> int:
    """Return the size of the largest of some files that is read."""
    folder = platform.settings.folder / "notes"
    folder.mkdir(exist_ok=True)
    for size in SIZES:
        (folder / f"{size:05}.txt").write_text("x" * size)
    assert isinstance(platform.ingestion.source, FolderReader)
    found = platform.ingestion.source.read(folder, "notes")
    read = [not isinstance(item, FairleadError) for item in found]
    return max(size for size, good in zip(SIZES, read, strict=True) if good)


def sender(settings: Settings) -> tuple[str, str]:
    """Return what telemetry is, and where it sends."""
    endpoints = [""]

    def spied(endpoint: str) -> otel.OtelTelemetry:
        endpoints.append(endpoint)
        return made(endpoint, flush_timeout_s=0.1)

    made = otel.otlp_telemetry
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(otel, "otlp_telemetry", spied)
        with open_platform(settings) as platform:
            telemetry = platform.telemetry
    if isinstance(telemetry, otel.OtelTelemetry):
        with closing(telemetry):
            pass
    return type(telemetry).__name__, endpoints[-1]


def made_from(settings: Settings) -> str:
    """Return what the file says, when it is one that `fairlead init` wrote."""
    if "template" in settings.config.get("app", {}):
        made = make_app(settings.folder / "made")
        text = (settings.folder / "made" / "fairlead.toml").read_text()
        assert tomllib.loads(text)["app"]["template"] == made.template != ""
    return str(settings.config.get("app", {}).get("template", "none"))


def key_beside(platform: Platform) -> str:
    """Return where a key is made, below the app's folder."""
    made = init_audit(platform).private
    for path in platform.settings.folder.rglob(f"{made.name}*"):
        path.unlink()
    return str(made.relative_to(platform.settings.folder))


def copied_to(platform: Platform) -> str:
    """Return where checkpoints are copied to, below the app's folder."""
    key_beside(platform)
    (found,) = [
        path for path in platform.settings.folder.rglob("c*") if b"checkpoints" in _read(path)
    ]
    found.unlink()
    return str(found.relative_to(platform.settings.folder))


def noted_in(platform: Platform) -> str:
    """Return where an erasure is noted, below the app's folder."""
    nothing: dict[str, Any] = {"items": (), "tombstones": (), "begun_at": 0.0, "receipt": {}}
    who = {"tenant": "t", "app": "a", "by": "ann", "reason": "why"}
    platform.erasing.ledger.add(
        Erasure(id="e-noted", stage="ledger", ended_at=None, **who, **nothing)
    )
    (found,) = [path for path in platform.settings.folder.rglob("*") if b"e-noted" in _read(path)]
    found.unlink()
    return str(found.relative_to(platform.settings.folder))


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def cadence(platform: Platform) -> float:
    """Return how often a worker makes checkpoints, once there is a key."""
    assert worker(platform).cadence.auditing is None
    init_audit(platform)
    made = worker(platform).cadence
    assert made.auditing is not None
    platform.settings.audit_key.unlink()
    return float(made.every_s)


EFFECTS: dict[str, Effect] = {
    "app.name": Effect(
        of=lambda settings: resolve_app(settings)[2].app,
        default="of the default",
        file=('"mine"', "mine"),
        env=None,
    ),
    "app.module": Effect(
        of=lambda settings: load_app(settings).name,
        default="of the default",
        file=('"other.py:app"', "of the file"),
        env=None,
    ),
    "app.template": Effect(of=made_from, default="none", file=('"7"', "7"), env=None),
    "app.environment": Effect(
        of=on_platform(lambda platform: platform.releases.environment),
        default="default",
        file=('"staging"', "staging"),
        env=("live", "live"),
    ),
    "database.url": Effect(
        of=on_platform(database),
        default={".fairlead/fairlead.db"},
        file=('"sqlite:///file.db"', {"file.db"}),
        env=("sqlite:///deep/env.db", {"deep/env.db"}),
    ),
    "database.busy_timeout_s": Effect(
        of=on_platform(pragma("busy_timeout")),
        default={30_000},
        file=("1.5", {1500}),
        env=("2.5", {2500}),
    ),
    "database.synchronous": Effect(
        of=on_platform(pragma("synchronous")),
        default={2},
        file=('"normal"', {1}),
        env=("full", {2}),
    ),
    "worker.concurrency": Effect(
        of=on_platform(lambda platform: worker(platform).seats.active_max),
        default=8,
        file=("3", 3),
        env=("5", 5),
    ),
    "worker.parked": Effect(
        of=on_platform(lambda platform: worker(platform).seats.parked_max),
        default=1000,
        file=("3", 3),
        env=("5", 5),
    ),
    "worker.queues": Effect(
        of=on_platform(lambda platform: worker(platform)._dispatcher.queues),
        default=("default",),
        file=('"slow,default"', ("slow", "default")),
        env=("quick", ("quick",)),
    ),
    "worker.backlog": Effect(
        of=on_platform(lambda platform: platform.admission.room.backlog),
        default=100_000,
        file=("3", 3),
        env=("5", 5),
    ),
    "worker.waiting_turns": Effect(
        of=on_platform(lambda platform: platform.admission.room.waiting_turns),
        default=20,
        file=("3", 3),
        env=("5", 5),
    ),
    "worker.stall_s": Effect(
        of=on_platform(lambda platform: worker(platform).lease.stall_s),
        default=30.0,
        file=("3.5", 3.5),
        env=("4.5", 4.5),
    ),
    "worker.lease_s": Effect(
        of=on_platform(lambda platform: worker(platform).lease.ttl_s),
        default=2.0,
        file=("3.5", 3.5),
        env=("4.5", 4.5),
    ),
    "worker.drain_s": Effect(
        of=on_platform(lambda platform: worker(platform).lease.drain_s),
        default=10.0,
        file=("3.5", 3.5),
        env=("4.5", 4.5),
    ),
    "worker.takeovers": Effect(
        of=on_platform(lambda platform: worker(platform).lease.takeovers),
        default=3,
        file=("4", 4),
        env=("5", 5),
    ),
    "retention.keep_per_release": Effect(
        of=on_platform(lambda platform: platform.pruning.keep),
        default=20,
        file=("3", 3),
        env=("5", 5),
    ),
    "ingest.max_bytes": Effect(
        of=on_platform(largest), default=3000, file=("300", 300), env=("30", 30)
    ),
    "audit.key_file": Effect(
        of=on_platform(key_beside), default=".fairlead/audit.key", file=('"k"', "k"), env=("e", "e")
    ),
    "memory.erasures_file": Effect(
        of=on_platform(noted_in),
        default=".fairlead/erasures.jsonl",
        file=('"kept/e.jsonl"', "kept/e.jsonl"),
        env=("there.jsonl", "there.jsonl"),
    ),
    "audit.file": Effect(
        of=on_platform(copied_to),
        default=".fairlead/checkpoints.jsonl",
        file=('"f/c"', "f/c"),
        env=("e/c", "e/c"),
    ),
    "audit.every_s": Effect(
        of=on_platform(cadence), default=60.0, file=("3.5", 3.5), env=("5", 5.0)
    ),
    **{key: Effect(**fields) for key, fields in {**IDENTITY, **DELIVERY}.items()},
    "app.files": Effect(of=read_by_code, default=set(), file=('["*.csv"]', {"a.csv"}), env=None),
    "database.archive_bytes": Effect(
        of=on_platform(largest_archive),
        default=[50_000_000],
        file=("1000", [1000]),
        env=("2000", [2000]),
    ),
    "worker.releases": Effect(
        of=on_platform(folders_kept), default=10, file=("3", 3), env=("5", 5)
    ),
    "gate.mutation": Effect(
        of=lambda settings: make_gate(settings, mutate=True)[0].mutation,
        default=0.95,
        file=("0.5", 0.5),
        env=None,
    ),
    "telemetry.endpoint": Effect(
        of=sender,
        default=("NullTelemetry", ""),
        file=('"http://127.0.0.1:1/file"', ("OtelTelemetry", "http://127.0.0.1:1/file")),
        env=("http://127.0.0.1:1/env", ("OtelTelemetry", "http://127.0.0.1:1/env")),
    ),
}


def worker(platform: Platform) -> Any:
    """Return a worker that is not started."""
    return platform.worker(App("bench", workflows=[]), FILES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of an app with two modules."""
    made = tmp_path / "here"
    made.mkdir()
    (made / "app.py").write_text(APP.format(name="of the default"))
    (made / "other.py").write_text(APP.format(name="of the file"))
    return made


@contextmanager
def settings_of(folder: Path, setting: Setting, file: str, env: str) -> Iterator[Settings]:
    """Load settings with one of them in the file and in the environment."""
    table, _, name = setting.key.partition(".")
    lines = (f"{name} = {file}\n" if file else "") + beside(setting.key, bool(file or env))
    (folder / "fairlead.toml").write_text(f"[{table}]\n{lines}" if lines else "")
    yield load_settings(folder, {setting.env: env} if env else {})


def test_every_setting_has_an_effect_here() -> None:
    assert set(EFFECTS) == {setting.key for setting in SETTINGS}
    assert {key for key, effect in EFFECTS.items() if effect.env} == {
        setting.key for setting in SETTINGS if setting.env
    }


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_a_setting_reaches_its_effect(folder: Path, setting: Setting) -> None:
    effect = EFFECTS[setting.key]
    file, of_file = effect.file
    given = [("", "", effect.default), (file, "", of_file)]
    if effect.env is not None:
        env, of_env = effect.env
        given += [("", env, of_env), (file, env, of_env)]
    for in_file, in_env, expected in given:
        with settings_of(folder, setting, in_file, in_env) as settings:
            assert effect.of(settings) == expected, (in_file, in_env)


def test_the_process_environment_is_read_when_none_is_given(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "fairlead.toml").write_text("[worker]\nconcurrency = 3\n")
    monkeypatch.setenv("FAIRLEAD_WORKER_CONCURRENCY", "4")
    assert load_settings(folder).concurrency == 4


@pytest.mark.parametrize(("name", "value"), [("journal_mode", "wal"), ("foreign_keys", 1)])
def test_what_no_setting_changes_holds_on_every_connection(
    folder: Path, name: str, value: Any
) -> None:
    (folder / "fairlead.toml").write_text("")
    read = on_platform(pragma(name))
    assert read(load_settings(folder, {})) == {value}
