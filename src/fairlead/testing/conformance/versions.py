"""Runs of code that no worker has."""

from __future__ import annotations

from fairlead.testing.conformance.site import LEASE_S, Site


class VersionConformance:
    """A run is executed by the code that it is pinned to, or not at all."""

    def test_invariant_03_a_run_of_a_version_without_a_worker_waits_and_delays_nobody(
        self, site: Site
    ) -> None:
        """It stays queued while workers of other code are idle, and goes on with its own."""
        new = site.make_version("second")
        old = site.releases["first"]
        assert new.manifest.code_digest != old.manifest.code_digest
        stranded = [site.start("series", ["look:a"], version="second") for _ in range(3)]
        worker = site.worker(concurrency=1)
        # One after the other: the last one is admitted long after the worker saw the stranded ones.
        for item in ("b", "c", "d"):
            own = site.start("series", [f"look:{item}"])
            site.until_ended(own)
            assert site.did(own) == [f"look:{item}"]
        for run_id in stranded:
            run = site.run(run_id)
            assert (run.state, run.worker_id, run.claims) == ("queued", None, 0)
            assert run.code_digest == new.manifest.code_digest
        # Who looks at the queue sees that nobody can take them.
        living = site.platform.workers.living(LEASE_S)
        assert {one.code_digest for one in living} == {old.manifest.code_digest}
        other = site.worker(version="second")
        site.until_ended(*stranded)
        for run_id in stranded:
            assert {one.pid for one in site.executions(run_id)} == {other.pid}
        assert {one.pid for one in site.executions()} == {worker.pid, other.pid}

    def test_invariant_03_a_run_is_not_taken_over_by_other_code(self, site: Site) -> None:
        """Its worker dies; a worker of another version buries it and leaves the run alone."""
        site.make_version("second")
        site.hold("b")
        run_id = site.start("series", ["look:a", "put:b", "pay:c"])
        first = site.worker()
        site.until(lambda: "put:b" in site.did(run_id), "the run is inside a body")
        first.kill()
        site.release("b")
        second = site.worker(version="second")
        site.until(lambda: site.run(run_id).state == "queued", "the dead worker is buried")
        other = site.start("series", ["look:a"], version="second")
        site.until_ended(other)
        assert site.run(run_id).state == "queued"
        assert site.did(run_id) == ["look:a", "put:b"]
        third = site.worker()
        site.until_ended(run_id)
        assert site.answer(run_id) == ["a", "b", "c"]
        assert {one.pid for one in site.executions(run_id)} == {first.pid, third.pid}
        assert second.status is None
