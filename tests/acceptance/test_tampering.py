"""Whoever changes the log is found: each way, at each place, in a log that real workers wrote."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters.ed25519.keys import load_signer, make_keys, public_of
from fairlead.adapters.sql.schema import anchors, checkpoint_files, checkpoints
from fairlead.core.audit import checkpoint_from_json, checkpoint_json
from fairlead.core.event import GENESIS
from fairlead.operations import ExportScope, export_audit, verify_events, verify_export
from tests.acceptance.support.evidence import Evidence, Row, evidence, forged, of_data
from tests.databases import KINDS, address

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module", params=KINDS)
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Evidence]:
    folder = tmp_path_factory.mktemp("evidence")
    with address(request.param, request, folder) as url, evidence(folder / "app", url) as found:
        yield found


@pytest.fixture(autouse=True)
def untouched(made: Evidence) -> Iterator[None]:
    """Before and after each test the log is as it was, and nothing is found in it."""
    made.restore()
    assert made.report().findings == ()
    yield
    made.restore()
    assert made.report().findings == ()


def test_an_untouched_log_has_all_that_runs_leave_and_no_finding(made: Evidence) -> None:
    report = made.report()
    assert report.covered == report.events == len(made.log) > 50
    assert report.chains == len(made.chains) > 10
    assert report.checkpoints == report.copied > 2
    assert verify_events(made.stage.platform).findings == ()
    types = {row["type"] for row in made.log}
    assert types >= {
        "run.admitted", "call.intended", "call.finished", "approval.consumed", "run.forked",
        "run.taken_over", "run.pruned", "worker.died", "worker.stopped", "effect.compensated",
    }  # fmt: skip


# ------------------------------------------------------------------------------------ the events


def edits(made: Evidence) -> Iterator[tuple[str, list[Row]]]:
    for place, row in enumerate(made.log):
        other = "worker.died" if row["type"] != "worker.died" else "worker.started"
        for change in (
            {"data": of_data(row, forged=1)["data"]},
            {"data": "{"},
            {"type": other},
            {"time": row["time"] + 1},
            {"id": f"x{row['id']}"},
            {"hash": "0" * 64},
            {"previous": "1" * 64},
        ):
            rows = made.log
            rows[place] = {**row, **change}
            yield f"{row['chain']} {row['sequence']} {[*change]}", rows


def clever_edits(made: Evidence) -> Iterator[tuple[str, list[Row]]]:
    for place, row in enumerate(made.log):
        for changed in (of_data(row, forged=1), {**row, "time": row["time"] + 1}):
            rows = made.log
            rows[place] = changed
            yield f"{row['chain']} {row['sequence']}", forged(rows)


def deletions(made: Evidence) -> Iterator[tuple[str, list[Row]]]:
    for place, row in enumerate(made.log):
        rows = made.log
        del rows[place]
        yield f"{row['chain']} {row['sequence']}", rows
        yield f"{row['chain']} {row['sequence']}, forged", forged(rows)


def truncations(made: Evidence) -> Iterator[tuple[str, list[Row]]]:
    """Cut each chain at each place, the first one included: then it is gone as a whole."""
    for row in made.log:
        rows = [
            one
            for one in made.log
            if one["chain"] != row["chain"] or one["sequence"] < row["sequence"]
        ]
        yield f"{row['chain']} {row['sequence']}", rows


def reorderings(made: Evidence) -> Iterator[tuple[str, list[Row]]]:
    for place, (one, other) in enumerate(pairwise(made.log)):
        if one["chain"] != other["chain"]:
            continue
        rows = made.log
        moved = {"sequence": one["sequence"]}, {"sequence": other["sequence"]}
        rows[place : place + 2] = [{**other, **moved[0]}, {**one, **moved[1]}]
        yield f"{one['chain']} {one['sequence']}", rows
        yield f"{one['chain']} {one['sequence']}, forged", forged(rows)


def insertions(made: Evidence) -> Iterator[tuple[str, list[Row]]]:
    """Put an event in at each place, with hashes that fit, and at the end of each chain."""
    fresh = {"id": "f" * 24, "type": "effect.reconciled", "data": '{"forged":1}'}
    for place, row in enumerate(made.log):
        rows = made.log
        rows.insert(place, {**row, **fresh})
        yield f"{row['chain']} {row['sequence']}", forged(rows)
        rows = made.log
        rows.insert(place + 1, {**row, **fresh})
        yield f"{row['chain']} {row['sequence']}, below", forged(rows)


def replays(made: Evidence) -> Iterator[tuple[str, list[Row]]]:
    """Let each event happen once more, in its chain and in a chain of its own."""
    for row in made.log:
        again = {**row, "id": "f" * 24}
        end = 1 + max(n for n, one in enumerate(made.log) if one["chain"] == row["chain"])
        rows = made.log
        rows.insert(end, again)
        yield f"{row['chain']} {row['sequence']}", forged(rows)
        rows = [*made.log, {**again, "chain": f"run:{'f' * 24}"}]
        yield f"{row['chain']} {row['sequence']}, elsewhere", forged(rows)


KINDS_OF_CHANGE = {
    "edit": edits,
    "clever edit": clever_edits,
    "delete": deletions,
    "truncate": truncations,
    "reorder": reorderings,
    "insert": insertions,
    "replay": replays,
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS_OF_CHANGE)
def test_each_change_of_the_log_is_found_at_each_place(made: Evidence, kind: str) -> None:
    assert made.missed(KINDS_OF_CHANGE[kind](made)) == []


def test_a_chain_that_is_gone_with_all_that_names_it_is_found(made: Evidence) -> None:
    """Its heads are taken out of their checkpoints too."""
    for chain in made.chains:
        rows = [row for row in made.log if row["chain"] != chain]
        heads = [row for row in made.tables["anchors"] if row["chain"] != chain]
        with made.changed(rows), made.changed(heads, table=anchors):
            found = made.report()
            assert any("are not those that were signed" in one.what for one in found.findings)


def test_a_finding_says_which_event_of_which_chain(made: Evidence) -> None:
    row = made.log[7]
    rows = made.log
    rows[7] = of_data(row, forged=1)
    with made.changed(rows):
        first = made.report().findings[0]
    assert (first.chain, first.sequence) == (row["chain"], row["sequence"])
    last = made.tables["anchors"][-1]
    cut = [one for one in made.log if one["chain"] != last["chain"]]
    with made.changed(cut):
        gone = [(one.chain, one.sequence) for one in made.report().findings]
    assert (last["chain"], last["sequence"]) in gone


# ------------------------------------------------------------------------------- the checkpoints


def other_value(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return ("0" if value[:1] != "0" else "1") + value[1:]
    return value + 1


def row_changes(rows: list[Row], *renamed: str) -> Iterator[tuple[str, list[Row]]]:
    """Change each value of each row, and remove each row."""
    for place, row in enumerate(rows):
        for name in row:
            value = 10**6 + place if name in renamed else other_value(row[name])
            changed = {**row, name: value}
            yield f"{place} {name}", [*rows[:place], changed, *rows[place + 1 :]]
        yield f"{place} removed", [*rows[:place], *rows[place + 1 :]]


def test_each_change_of_a_checkpoint_is_found(made: Evidence) -> None:
    changes = row_changes(made.tables["checkpoints"], "number")
    assert made.missed(changes, table=checkpoints) == []


def test_each_change_of_a_head_is_found(made: Evidence) -> None:
    rows = made.tables["anchors"]
    assert made.missed(row_changes(rows, "checkpoint", "position"), table=anchors) == []
    more = ({**row, "checkpoint": 10**6, "position": 0} for row in rows)
    assert made.missed((("more", [*rows, row]) for row in more), table=anchors) == []


def test_checkpoints_that_are_cut_off_are_found_by_the_file(made: Evidence) -> None:
    for last in range(len(made.tables["checkpoints"])):
        kept = [row for row in made.tables["checkpoints"] if row["number"] <= last]
        heads = [row for row in made.tables["anchors"] if row["checkpoint"] <= last]
        with made.changed(kept, table=checkpoints), made.changed(heads, table=anchors):
            said = [one.what for one in made.report().findings]
        assert f"the file has checkpoint {last + 1}, and the database has not" in said


def test_a_checkpoint_that_is_gone_from_both_is_found_by_the_next_one(made: Evidence) -> None:
    lines = made.text.splitlines(keepends=True)
    for number in range(1, len(lines) - 1):
        kept = [row for row in made.tables["checkpoints"] if row["number"] != number]
        heads = [row for row in made.tables["anchors"] if row["checkpoint"] != number]
        with made.changed(kept, table=checkpoints), made.changed(heads, table=anchors):
            made.file.write_bytes(b"".join([*lines[:number], *lines[number + 1 :]]))
            said = [one.what for one in made.report().findings]
        assert f"checkpoint {number} is missing" in said


def signed_by_somebody_else(made: Evidence, folder: Path) -> tuple[list[Row], bytes]:
    """Sign the whole series with another key; every hash fits."""
    make_keys(folder / "other.key")
    signer = load_signer(folder / "other.key")
    previous, rows, lines = GENESIS, [], [made.text.splitlines()[0].decode()]
    for line in made.text.splitlines()[1:]:
        forged_one = replace(
            checkpoint_from_json(json.loads(line)), previous=previous, key=signer.key
        )
        forged_one = replace(forged_one, signature=signer.sign(forged_one.message))
        previous = forged_one.digest
        rows.append(asdict(forged_one))
        lines.append(checkpoint_json(forged_one))
    return rows, "".join(f"{line}\n" for line in lines).encode()


def test_a_series_that_somebody_else_signed_is_found(made: Evidence, tmp_path: Path) -> None:
    rows, text = signed_by_somebody_else(made, tmp_path)
    with made.changed(rows, table=checkpoints):
        made.file.write_bytes(text)
        report = made.report()
        assert report.found == len(rows)
        assert all("not signed with a key that is trusted" in one.what for one in report.findings)
        # With that key it is whole: whoever verifies must have the public key from elsewhere.
        assert not made.report(key=public_of(tmp_path / "other.key")).found


# -------------------------------------------------------------------------------------- the file


def texts(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Change the file in every line: a sign here and there, cut, removed, moved, doubled."""
    lines = text.splitlines(keepends=True)
    for place, line in enumerate(lines):
        above, below = lines[:place], lines[place + 1 :]
        for at in range(0, len(line), 13):
            sign = b"0" if line[at : at + 1] != b"0" else b"1"
            bent = line[:at] + sign + line[at + 1 :]
            yield f"sign {at} of line {place}", b"".join([*above, bent, *below])
        yield f"up to line {place}", b"".join(above)
        yield f"half of line {place}", b"".join(above) + line[: len(line) // 2]
        yield f"without line {place}", b"".join([*above, *below])
        yield f"line {place} twice", b"".join([*above, line, line, *below])
        if below:
            yield f"line {place} moved", b"".join([*above, below[0], line, *below[1:]])
    for junk in (b"x", b"\n", b"{}\n", lines[0], b'{"checkpoints":"other"}\n'):
        yield f"{junk!r} at the end", text + junk
        yield f"{junk!r} in front", junk + text


def test_each_change_of_the_file_is_found(made: Evidence) -> None:
    missed = []
    for name, text in texts(made.text):
        with made.changed():
            made.file.write_bytes(text)
            if not made.report().found:
                missed.append(name)
    assert missed == []


def test_a_file_that_is_gone_or_another_one_is_found(made: Evidence, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    shutil.copy(made.file, copy)
    assert not made.report(file=copy).found
    made.file.unlink()
    assert "there is no checkpoint file" in made.report().findings[0].what
    made.file.write_bytes(made.text)
    with made.changed([], table=checkpoint_files):
        assert "does not know the checkpoint file" in made.report().findings[0].what


def test_what_no_audit_can_find_is_what_the_docs_say(made: Evidence) -> None:
    """An event of now at the end of a chain: nothing tells it from a true one until it is signed.

    And the newest checkpoint, gone from the table and from the file.
    """
    row = made.log[-1]
    now = {**row, "id": "f" * 24, "time": time.time() + 3700}
    with made.changed(forged([*made.log, now])):
        report = made.report()
    assert (report.found, report.events - report.covered) == (0, 1)
    kept = made.tables["checkpoints"][:-1]
    known = [{**row, "number": len(kept)} for row in made.tables["checkpoint_files"]]
    with made.changed(kept, table=checkpoints), made.changed(known, table=checkpoint_files):
        made.file.write_bytes(b"".join(made.text.splitlines(keepends=True)[:-1]))
        assert not made.report().found


# ------------------------------------------------------------------------------------- the export


def test_an_export_proves_itself_and_each_change_of_it_is_found(
    made: Evidence, tmp_path: Path
) -> None:
    platform = made.stage.platform
    key = public_of(platform.settings.audit_key)
    whole = tmp_path / "whole.jsonl"
    written = export_audit(platform, whole, ExportScope())
    report = verify_export(whole, key=key)
    assert report.findings == ()
    assert (report.events, report.chains) == (written.events, written.chains)
    assert report.covered == report.events == len(made.log)
    lines = whole.read_bytes().splitlines(keepends=True)
    bent = tmp_path / "bent.jsonl"
    missed = []
    for place, line in enumerate(lines):
        above, below = lines[:place], lines[place + 1 :]
        middle = len(line) // 2
        sign = b"0" if line[middle : middle + 1] != b"0" else b"1"
        for what, changed in (
            ("sign", [*above, line[:middle] + sign + line[middle + 1 :], *below]),
            ("removed", [*above, *below]),
            ("cut", above),
            ("twice", [*above, line, line, *below]),
        ):
            bent.write_bytes(b"".join(changed))
            if not verify_export(bent, key=key).found:
                missed.append((what, place))
    assert missed == []
    make_keys(tmp_path / "other.key")
    assert verify_export(whole, key=public_of(tmp_path / "other.key")).found


def test_an_export_of_a_run_says_who_asked_under_what_and_who_agreed(
    made: Evidence, tmp_path: Path
) -> None:
    platform = made.stage.platform
    (approved,) = {row["chain"] for row in made.log if row["type"] == "approval.consumed"}
    run = platform.runs.get(approved.removeprefix("run:"))
    out = tmp_path / "run.jsonl"
    export_audit(platform, out, ExportScope(run_id=run.id))
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    told = [(line["event"]["type"], line["call"]) for line in lines if "call" in line]
    names = [kind for kind, _ in told]
    assert names == ["call.finished", "call.intended", "call.finished"]
    for _, call in told:
        assert (call["user"], call["tenant"]) == ("local", "default")
        assert call["release"] == run.release
        assert len(call["policies"]) == 64
    assert [call["approval"] and call["approval"]["by"] for _, call in told] == [None, "ann", "ann"]
    paid = next(line for line in reversed(lines) if "call" in line)
    assert paid["event"]["data"]["decision"] == "allowed"
    chains = {line["event"]["chain"] for line in lines if "event" in line}
    assert chains == {approved, f"release:{run.release}"}
