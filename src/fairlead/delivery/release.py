"""Releases: made once, activated with evidence, rolled back in one move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fairlead.core.archive import Archive
from fairlead.core.baseline import Standing
from fairlead.core.digests import Json
from fairlead.core.environments import APPROVAL, DRILL, NO_RULES, EnvironmentRules
from fairlead.core.errors import (
    BaselineNotAccepted,
    EnvironmentFrozen,
    GateRefused,
    NoPreviousRelease,
    ReasonMissing,
    SecretInRelease,
    UnknownRelease,
)
from fairlead.core.provenance import Provenance
from fairlead.core.release import Manifest, Release, diff_json, manifest_digest, manifest_json
from fairlead.core.release_changes import ReleaseChange, explain
from fairlead.delivery.baseline import refuse_violations
from fairlead.delivery.gate import CheckRun
from fairlead.delivery.protection import FREEZE, Passage, verdicts
from fairlead.guardrails.content import SECRETS, redacted
from fairlead.ports.clock import Clock
from fairlead.ports.releases import Activation, ReleaseStore


@dataclass(frozen=True, kw_only=True)
class Releases:
    """The verbs of one environment's releases.

    Attributes:
        store: Where they are kept.
        clock: Time.
        environment: The environment whose pointer is moved.
        standing: Tells which baselines are accepted now.
        rules: Tells what an environment asks of releases.
        asker: Whom a token names as the one who works with it; empty without a token.
    """

    store: ReleaseStore
    clock: Clock
    environment: str
    standing: Callable[[], Standing] = Standing
    rules: Callable[[str], EnvironmentRules] = lambda _: NO_RULES
    asker: str = ""

    def create(
        self,
        manifest: Manifest,
        *,
        archive: Archive | None = None,
        provenance: Provenance | None = None,
    ) -> tuple[Release, bool]:
        """Store a release; an identical one is the same release.

        Args:
            manifest: What runs read.
            archive: The files that it was made from; None for a release that only a folder with
                its code can execute.
            provenance: Where it comes from; None when nobody knows.

        Returns:
            The release, and whether it is new.

        Raises:
            SecretInRelease: A prompt, a policy or a value holds a secret; nothing was stored.
            BaselineNotAccepted: It was not made with a baseline that is accepted.
        """
        secrets = redacted(manifest_json(manifest), SECRETS)[1]
        if secrets:
            what = "; ".join(f"{one.path} holds a secret ({one.kind})" for one in secrets[:5])
            raise SecretInRelease(what)
        release = Release(
            digest=manifest_digest(manifest),
            manifest=manifest,
            created_at=self.clock.now(),
            archive="" if archive is None else archive.digest,
            provenance=provenance,
            by=self.asker,
        )
        self.refuse_unaccepted(release)
        if self.store.put(release, archive):
            return release, True
        return self.store.get(release.digest), False

    def current(self) -> Release:
        """Return the release that new runs start on.

        Raises:
            UnknownRelease: None was activated yet.
        """
        history = self.store.history(self.environment)
        if not history:
            raise UnknownRelease(f"no release is active in environment {self.environment!r}")
        return self.store.get(history[-1].release)

    def activate(self, name: str, *, by: str, override: str | None = None) -> Release:
        """Let new runs start on a release.

        Args:
            name: Its digest or a prefix.
            by: Who does it.
            override: Why, when something stands in its way; None demands all that the environment
                asks.

        Raises:
            GateRefused: A gate that the environment requires has not passed, or it is marked bad,
                and there is no override.
            EnvironmentFrozen: No release gets traffic now, and there is no override.
            ReasonMissing: The override says nothing.
            BaselineNotAccepted: Its baseline is not accepted any more; no override helps.
            BaselineViolated: It does not keep to its baseline; no override helps.
        """
        release = self.cleared(name, override)
        if override is None:
            # Once more while nobody can change the rules or deny it: what is on record is in order.
            self._move(
                release, ("activate", ""), by, lambda: self.refuse_unmet(release, self.asker)
            )
        else:
            self._move(release, ("override", override), by)
        return release

    def cleared(self, name: str, override: str | None = None) -> Release:
        """Return a release on which new runs may start.

        Args:
            name: Its digest or a prefix.
            override: Why, when something stands in its way; None demands all that the environment
                asks.

        Raises:
            GateRefused: A gate that the environment requires has not passed, or it is marked bad,
                and there is no override.
            EnvironmentFrozen: No release gets traffic now, and there is no override.
            ReasonMissing: The override says nothing.
            BaselineNotAccepted: Its baseline is not accepted any more; no override helps.
            BaselineViolated: It does not keep to its baseline; no override helps.
        """
        release = self.store.get(name)
        if override is not None and not override.strip():
            raise ReasonMissing("an override needs a written reason", release=release.digest)
        if override is None:
            if release.bad:
                raise GateRefused(
                    f"release {release.id} was rolled back and is marked bad",
                    release=release.digest,
                )
            self.refuse_unmet(release, self.asker)
        # An override stands in place of what an environment asks of one release. The baseline is
        # above all of them.
        self.refuse_unaccepted(release)
        refuse_violations(release.manifest.baseline, release.manifest)
        return release

    def verdicts(self, release: Release, asker: str | None) -> tuple[CheckRun, ...]:
        """Return what each gate that the environment requires says of a release by now.

        Args:
            release: The release.
            asker: Whom a token names as the one who asks for it to go there; empty when none does,
                None while nobody asks.
        """
        rules = self.rules(self.environment)
        passage = Passage(
            release=release,
            environment=self.environment,
            rules=rules,
            asker=asker,
            now=self.clock.now(),
            previous=self.previous(release.digest) if DRILL in rules.gates else "",
        )
        return verdicts(
            passage,
            lambda gate, most: self.store.evidence_of(
                release.digest, gate, self.environment, limit=most, of_each=gate == APPROVAL
            ),
        )

    def unmet(
        self, release: Release, asker: str, *, but: Sequence[str] = ()
    ) -> tuple[CheckRun, ...]:
        """Return what stands between a release and the environment; see `verdicts`.

        Args:
            release: The release.
            asker: Whom a token names as the one who asks for it to go there; empty when none does,
                None while nobody asks.
            but: Names of gates that do not count.
        """
        found = self.verdicts(release, asker)
        return tuple(run for run in found if run.conclusion != "success" and run.name not in but)

    def refuse_unmet(self, release: Release, asker: str, *, but: Sequence[str] = ()) -> None:
        """Refuse a release that the environment does not let in now.

        Args:
            release: The release.
            asker: Whom a token names as the one who asks for it to go there; empty when none does,
                None while nobody asks.
            but: Names of gates that do not count.

        Raises:
            GateRefused: A gate that it requires has not passed.
            EnvironmentFrozen: No release gets traffic now.
        """
        unmet = self.unmet(release, asker, but=but)
        if not unmet:
            return
        only_frozen = [run.name for run in unmet] == [FREEZE]
        refused = EnvironmentFrozen if only_frozen else GateRefused
        message = f"release {release.id} may not go to {self.environment}: {said_of(unmet)}"
        raise refused(message, release=release.digest)

    def refuse_unfit(self, release: Release) -> None:
        """Refuse a release under which runs that began on another one are to go on.

        One that was active here before is let in again, as by a rollback; a move must be possible
        while something burns.

        Args:
            release: The release.

        Raises:
            GateRefused: It is marked bad, or a gate that the environment requires has not passed.
            EnvironmentFrozen: No release gets traffic now.
            BaselineNotAccepted: Its baseline is not accepted any more.
        """
        self.refuse_unaccepted(release)
        were = [one.release for one in self.store.history(self.environment)]
        if release.digest in were[-1:]:
            return
        if release.bad:
            raise GateRefused(
                f"release {release.id} was rolled back and is marked bad", release=release.digest
            )
        if release.digest not in were:
            self.refuse_unmet(release, self.asker)

    def rollback(self, *, by: str, reason: str) -> tuple[str, Release]:
        """Put the previous good release back, and mark the active one bad.

        It must work at 3 a.m., so the active release is not even read: it may be damaged.

        Args:
            by: Who does it.
            reason: Why.

        Returns:
            The digest of the release that was active, and the release that is now.

        Raises:
            NoPreviousRelease: No earlier release is good, and made with an accepted baseline.
            RouteClosed: Another release became active at this moment; nothing was changed.
        """
        history = self.store.history(self.environment)
        if not history:
            others = ", ".join(sorted(self.store.active())) or "none"
            raise NoPreviousRelease(
                f"no release is active in environment {self.environment!r}; "
                f"environments that have one: {others}"
            )
        active, earlier = history[-1].release, self._way_back(history)
        if earlier is None:
            raise NoPreviousRelease(
                f"no good release was active before {active[:12]}", release=active
            )
        # Whoever rolled it back a moment ago must not see the good one marked bad.
        self._move(earlier, ("rollback", reason), by, instead_of=active)
        return active, earlier

    def previous(self, release: str) -> str:
        """Return the digest of the release to which a rollback would go; empty for none.

        Args:
            release: Digest of the release from which: the active one, or one that is to be active.
        """
        history = self.store.history(self.environment)
        if not history or history[-1].release != release:
            return history[-1].release if history else ""
        earlier = self._way_back(history)
        return "" if earlier is None else earlier.digest

    def _way_back(self, history: Sequence[Activation]) -> Release | None:
        """Return the release to which a rollback from the active one goes; None for none."""
        active, standing = history[-1].release, self.standing()
        sound = {
            release.digest: release
            for release in self.store.list()
            if not release.bad and standing.accepts(_baseline_of(release))
        }
        earlier = (sound.get(one.release) for one in reversed(history) if one.release != active)
        return next((one for one in earlier if one is not None), None)

    def diff(self, before: str, after: str) -> list[tuple[str, object, object]]:
        """List what differs between two releases: path, old value, new value."""
        return diff_json(
            _comparable(self.store.get(before).manifest),
            _comparable(self.store.get(after).manifest),
        )

    def explain(self, before: str, after: str, *, pinned: int = 0) -> tuple[ReleaseChange, ...]:
        """Say in words what differs between two releases, and what each difference asks for.

        Args:
            before: The older release, by its digest or a prefix.
            after: The newer one.
            pinned: How many runs of the older one have not ended.
        """
        pair = (_comparable(self.store.get(name).manifest) for name in (before, after))
        return explain(*pair, pinned=pinned)

    def refuse_unaccepted(self, release: Release) -> None:
        """Refuse a release whose baseline is not accepted now.

        Raises:
            BaselineNotAccepted: It was made with another one, or with none.
        """
        baseline, standing = release.manifest.baseline, self.standing()
        if not standing.accepts(_baseline_of(release)):
            what = "no baseline" if baseline is None else f"baseline {baseline.id}"
            current = (standing.current or "")[:12]
            raise BaselineNotAccepted(
                f"release {release.id} was made with {what}, and {current} is in force",
                release=release.digest,
            )

    def _move(
        self,
        release: Release,
        why: tuple[str, str],
        by: str,
        permit: Callable[[], None] = lambda: None,
        *,
        instead_of: str | None = None,
    ) -> None:
        kind, reason = why
        activation = Activation(
            release=release.digest, kind=kind, reason=reason, by=by, time=self.clock.now()
        )
        self.store.activate(self.environment, activation, permit, instead_of=instead_of)


def said_of(runs: Sequence[CheckRun]) -> str:
    """Return in one line what gates say.

    Args:
        runs: Their conclusions.
    """
    return "; ".join(f"{run.name}: {', '.join(run.findings) or run.summary}" for run in runs)


def _baseline_of(release: Release) -> str | None:
    baseline = release.manifest.baseline
    return None if baseline is None else baseline.digest


def _comparable(manifest: Manifest) -> dict[str, Json]:
    """Return a manifest whose baseline is compared field by field, also with none."""
    data, baseline = manifest_json(manifest), manifest.baseline
    named = {} if baseline is None else {**data["baseline"], "digest": baseline.digest}
    return {**data, "baseline": named}
