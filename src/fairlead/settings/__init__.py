"""Settings, read once from `fairlead.toml` and the environment, then passed down."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fairlead.core.environments import one_environment
from fairlead.core.errors import AppFileMissing, InvalidConfig, InvalidEnvironment
from fairlead.settings.delivery import DELIVERY_SETTINGS
from fairlead.settings.identity import IDENTITY_SETTINGS, Identity, read_identity
from fairlead.settings.setting import Setting
from fairlead.settings.tables import check_tables

APP_FILE = "fairlead.toml"

KEPT_IN = ".fairlead"
"""Folder of an app in which it keeps what it writes, unless a setting says otherwise."""

DRILL = "rollback-drill"
"""The environment of a rollback drill: no effect is executed in it."""

RELEASES = "releases"
"""Folder in there with the code of releases that is not the code of the app's folder."""

SETTINGS: tuple[Setting, ...] = (
    Setting(
        key="app.name", default="the name in `App(...)`", meaning="Name of the app in its releases."
    ),
    Setting(
        key="app.module",
        default="app.py:app",
        meaning="File and variable that hold the `App`, below the app's folder.",
    ),
    Setting(
        key="app.files",
        default="none",
        meaning="A list of patterns, from the app's folder, of the files that its code reads while "
        "it runs, such as `data/*.csv`. They are a part of the code: a release holds them.",
    ),
    Setting(
        key="app.template",
        default="none",
        meaning="Version of the template that the app was made from; `fairlead init` writes it.",
    ),
    Setting(
        key="app.environment",
        default="default",
        env="FAIRLEAD_ENVIRONMENT",
        meaning="Environment whose active release new runs follow.",
    ),
    Setting(
        key="database.url",
        default="sqlite:///.fairlead/fairlead.db",
        env="FAIRLEAD_DATABASE_URL",
        meaning="Where everything is kept: `sqlite:///PATH`, where a relative path starts at the "
        "app's folder, or `postgresql://USER:PASSWORD@HOST/DATABASE`.",
    ),
    Setting(
        key="database.busy_timeout_s",
        default="30",
        env="FAIRLEAD_DATABASE_BUSY_TIMEOUT_S",
        meaning="Seconds to wait for a lock that another process holds.",
    ),
    Setting(
        key="database.synchronous",
        default="full",
        env="FAIRLEAD_DATABASE_SYNCHRONOUS",
        meaning="SQLite only: `full` survives a loss of power, `normal` survives the death of a "
        "process and may lose the last commits with the power.",
    ),
    Setting(
        key="database.archive_bytes",
        default="50000000",
        env="FAIRLEAD_DATABASE_ARCHIVE_BYTES",
        meaning="Largest archive of a release's files that is kept, in bytes.",
    ),
    Setting(
        key="worker.concurrency",
        default="8",
        env="FAIRLEAD_WORKER_CONCURRENCY",
        meaning="Most runs that one worker executes at the same time; what waits does not count.",
    ),
    Setting(
        key="worker.parked",
        default="1000",
        env="FAIRLEAD_WORKER_PARKED",
        meaning="Most runs that wait in one worker's memory; further ones wait on record alone.",
    ),
    Setting(
        key="worker.queues",
        default="default",
        env="FAIRLEAD_WORKER_QUEUES",
        meaning="Queues whose runs a worker takes, with commas between.",
    ),
    Setting(
        key="worker.backlog",
        default="100000",
        env="FAIRLEAD_WORKER_BACKLOG",
        meaning="With so many runs queued, no further one is accepted.",
    ),
    Setting(
        key="worker.waiting_turns",
        default="20",
        env="FAIRLEAD_WORKER_WAITING_TURNS",
        meaning="With so many turns of a conversation waiting behind the one that is answered, no "
        "further one is accepted.",
    ),
    Setting(
        key="worker.lease_s",
        default="2",
        env="FAIRLEAD_WORKER_LEASE_S",
        meaning="Seconds without a heartbeat after which a worker counts as dead.",
    ),
    Setting(
        key="worker.stall_s",
        default="30",
        env="FAIRLEAD_WORKER_STALL_S",
        meaning="Seconds for which a tool may block the event loop before the worker gives up.",
    ),
    Setting(
        key="worker.drain_s",
        default="10",
        env="FAIRLEAD_WORKER_DRAIN_S",
        meaning="Seconds that a stopping worker waits for the runs that it executes.",
    ),
    Setting(
        key="worker.takeovers",
        default="3",
        env="FAIRLEAD_WORKER_TAKEOVERS",
        meaning="Worker deaths under one run, without progress, after which it is quarantined.",
    ),
    *DELIVERY_SETTINGS,
    Setting(
        key="worker.releases",
        default="10",
        env="FAIRLEAD_WORKER_RELEASES",
        meaning="Folders with the code of releases that stay in `.fairlead/releases`, the newest "
        "ones; one that a process uses stays as well.",
    ),
    Setting(
        key="retention.keep_per_release",
        default="20",
        env="FAIRLEAD_RETENTION_KEEP_PER_RELEASE",
        meaning="Runs of each release and workflow, the newest that ended, which `fairlead runs "
        "prune` keeps for replay however old they are.",
    ),
    Setting(
        key="gate.mutation",
        default="0.95",
        meaning="Share of small mistakes in policies and contracts that the guardrail tests must "
        "notice; `fairlead check --mutate` measures it.",
    ),
    Setting(
        key="ingest.max_bytes",
        default="10000000",
        env="FAIRLEAD_INGEST_MAX_BYTES",
        meaning="Largest document, in bytes.",
    ),
    Setting(
        key="audit.key_file",
        default=".fairlead/audit.key",
        env="FAIRLEAD_AUDIT_KEY_FILE",
        meaning="Private key that checkpoints are signed with, from the app's folder; without the "
        "file none is made. Its public part stands beside it, with `.pub` behind the name.",
    ),
    Setting(
        key="audit.file",
        default=".fairlead/checkpoints.jsonl",
        env="FAIRLEAD_AUDIT_FILE",
        meaning="Where checkpoints are copied to, from the app's folder; it belongs where the "
        "database's operator cannot write.",
    ),
    Setting(
        key="audit.every_s",
        default="60",
        env="FAIRLEAD_AUDIT_EVERY_S",
        meaning="Seconds between two checkpoints of the event log, whichever worker makes them; "
        "0 leaves them to `fairlead audit checkpoint`.",
    ),
    Setting(
        key="memory.erasures_file",
        default=".fairlead/erasures.jsonl",
        env="FAIRLEAD_MEMORY_ERASURES_FILE",
        meaning="Where erasures are noted, from the app's folder, without any value; it belongs "
        "where a restored backup does not write over it.",
    ),
    Setting(
        key="telemetry.endpoint",
        default="none",
        env="OTEL_EXPORTER_OTLP_ENDPOINT",
        meaning="OTLP endpoint for spans and metrics; without one nothing is exported.",
    ),
    *IDENTITY_SETTINGS,
)
"""Every setting that is not a workflow's."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """An app's settings; `SETTINGS` says what each one means.

    Attributes:
        folder: The app's folder.
        config: All of `fairlead.toml`, for the parts that a release resolves.
    """

    folder: Path
    module: str
    environment: str
    database_url: str = field(repr=False)  # it may hold a password
    busy_timeout_s: float
    synchronous: str
    archive_bytes: int
    concurrency: int
    parked: int
    queues: tuple[str, ...]
    backlog: int
    waiting_turns: int
    lease_s: float
    stall_s: float
    drain_s: float
    takeovers: int
    releases: int
    keep_per_release: int
    max_bytes: int
    otlp_endpoint: str | None
    audit_key: Path
    audit_file: Path
    every_s: float
    erasures_file: Path
    controller: bool
    tick_s: float
    stranded_after_s: float
    keep_workers_s: float
    workers_max: int
    retire_after_s: float
    identity: Identity
    config: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse to work in what is no environment: no rules would be asked there.

        Raises:
            InvalidEnvironment: Its name is none, or stands for all.
        """
        try:
            one_environment(self.environment)
        except ValueError as error:
            raise InvalidEnvironment(str(error), environment=self.environment) from error


def load_settings(folder: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read an app's settings.

    Args:
        folder: The app's folder.
        environment: Environment variables; None reads the process's own.

    Raises:
        AppFileMissing: The folder holds no `fairlead.toml`.
        InvalidConfig: The file is no TOML, nobody reads a table or a key in it, or a value is of
            the wrong kind.
        InvalidEnvironment: The environment's name is none, or stands for all.
    """
    folder = folder.resolve()
    path = folder / APP_FILE
    try:
        config = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AppFileMissing(f"there is no {APP_FILE} in {folder}", folder=str(folder)) from error
    except (OSError, ValueError) as error:
        raise InvalidConfig(f"{path} is not understood: {error}", file=str(path)) from error
    check_tables(config, [setting.key for setting in SETTINGS], APP_FILE)
    variables = os.environ if environment is None else environment
    values = _Values(config, variables)
    synchronous = values.text("database.synchronous")
    if synchronous not in ("full", "normal"):
        raise InvalidConfig(f"database.synchronous must be full or normal, not {synchronous!r}")
    return Settings(
        folder=folder,
        module=values.text("app.module"),
        # An empty one is no way to say `default`: whoever exports it means another environment.
        environment=variables.get("FAIRLEAD_ENVIRONMENT", values.text("app.environment")),
        database_url=database_url(folder, values.text("database.url")),
        busy_timeout_s=values.number("database.busy_timeout_s"),
        synchronous=synchronous,
        archive_bytes=int(values.number("database.archive_bytes", least=1)),
        concurrency=int(values.number("worker.concurrency", least=1)),
        parked=int(values.number("worker.parked")),
        queues=queues_of(values.text("worker.queues")),
        backlog=int(values.number("worker.backlog", least=1)),
        waiting_turns=int(values.number("worker.waiting_turns")),
        lease_s=values.number("worker.lease_s", least=0.1),
        stall_s=values.number("worker.stall_s", least=0.1),
        drain_s=values.number("worker.drain_s"),
        takeovers=int(values.number("worker.takeovers", least=1)),
        releases=int(values.number("worker.releases", least=1)),
        keep_per_release=int(values.number("retention.keep_per_release")),
        max_bytes=int(values.number("ingest.max_bytes", least=1)),
        otlp_endpoint=values.text("telemetry.endpoint", "") or None,
        audit_key=folder / values.text("audit.key_file"),
        audit_file=folder / values.text("audit.file"),
        every_s=values.number("audit.every_s"),
        erasures_file=folder / values.text("memory.erasures_file"),
        controller=values.truth("worker.controller"),
        tick_s=values.number("delivery.tick_s", least=0.01),
        stranded_after_s=values.number("delivery.stranded_after_s", least=0.1),
        keep_workers_s=values.number("delivery.keep_workers_s"),
        workers_max=int(values.number("delivery.workers_max", least=1)),
        retire_after_s=values.number("delivery.retire_after_s", least=1),
        identity=read_identity(folder, values),
        config=config,
    )


def module_of(config: dict[str, Any]) -> str:
    """Return which file and variable hold the `App`, as a `fairlead.toml` says."""
    return _Values(config, {}).text("app.module")


def queues_of(text: str) -> tuple[str, ...]:
    """Return the names of queues in a text with commas between.

    Raises:
        InvalidConfig: There is none.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise InvalidConfig("worker.queues must name at least one queue", key="worker.queues")
    return names


class _Values:
    """Looks a setting up: environment first, then the file, then the default."""

    def __init__(self, config: dict[str, Any], environment: Mapping[str, str]) -> None:
        self._config = config
        self._environment = environment
        self._settings = {setting.key: setting for setting in SETTINGS}

    def _raw(self, key: str, default: str | None) -> Any:
        setting = self._settings[key]
        given = self._environment.get(setting.env) if setting.env else None
        if given and not key.startswith("identity."):
            return given
        table, _, name = key.partition(".")
        section = self._config.get(table, {})
        if not isinstance(section, dict):
            raise InvalidConfig(f"[{table}] in {APP_FILE} must be a table", key=table)
        found = section.get(name, setting.default if default is None else default)
        # Whoever chooses the key chooses who everybody is, so `required` would require nothing.
        if given and given != found and section.get("required") in (True, "true"):
            raise InvalidConfig(
                f"{setting.env} names another {key} than {APP_FILE}, which sets "
                f"identity.required: name it there",
                key=key,
            )
        return given or found

    def text(self, key: str, default: str | None = None) -> str:
        value = self._raw(key, default)
        if not isinstance(value, str):
            raise InvalidConfig(f"{key} must be text, not {value!r}", key=key)
        return value

    def truth(self, key: str) -> bool:
        value = self._raw(key, None)
        if not isinstance(value, bool) and value not in ("true", "false"):
            raise InvalidConfig(f"{key} must be true or false, not {value!r}", key=key)
        return value in (True, "true")

    def number(self, key: str, *, least: float = 0.0) -> float:
        value = self._raw(key, None)
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise InvalidConfig(f"{key} must be a number, not {value!r}", key=key) from error
        if isinstance(value, bool) or not least <= number < float("inf"):
            raise InvalidConfig(f"{key} must be a number of at least {least:g}", key=key)
        return number


def database_url(folder: Path, url: str) -> str:
    scheme, _, rest = url.partition("://")
    if scheme in ("postgresql", "postgres"):
        return f"postgresql://{rest}"
    prefix = "sqlite:///"
    if not url.startswith(prefix):
        raise InvalidConfig(
            f"database.url must begin with {prefix} or postgresql://, not {url.split(':')[0]!r}",
            key="database.url",
        )
    path = Path(url.removeprefix(prefix))
    return prefix + str(path if path.is_absolute() else folder / path)
