"""Token buckets: never more than the rate, places in a row, and what a 429 does to everybody."""

from __future__ import annotations

import heapq
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.rates import (
    CLOSED_S_MAX,
    LATE_S_MAX,
    RECOVERY_S,
    SLOW_SPACING_S_MAX,
    SLOWDOWN_MAX,
    WAIT_S_MAX,
    Bucket,
    Place,
    Rate,
    close,
    take,
    throttle_name,
)

T = 1_700_000_000.0
ONE = Rate(1, per_s=1.0)


def waits(rate: Rate, times: int, bucket: Bucket | None = None, now: float = T) -> list[float]:
    """Return how long each of some callers must wait who come at the same time."""
    bucket, found = bucket or Bucket(), []
    for _ in range(times):
        bucket, place = take(bucket, rate, now)
        found.append(place.wait_s)
    return found


def closed(rate: Rate, asked_s: float | None, *, bucket: Bucket | None = None) -> Bucket:
    """Return a bucket that was closed now."""
    return close(bucket or Bucket(), rate, T, asked_s=asked_s, let_at=T, chance=0.0)


def test_as_many_as_the_rate_says_go_at_once_and_the_rest_one_by_one() -> None:
    assert waits(Rate(3, per_s=6.0), 6) == pytest.approx([0, 0, 0, 2, 4, 6])


def test_tokens_come_back_with_time_up_to_the_rates_own_number() -> None:
    rate = Rate(2, per_s=2.0)
    bucket = Bucket()
    for _ in range(2):
        bucket, _ = take(bucket, rate, T)
    assert waits(rate, 2, bucket, T + 1.0) == pytest.approx([0, 1])
    assert waits(rate, 3, bucket, T + 1e6) == pytest.approx([0, 0, 1])


def test_several_tokens_are_taken_at_once() -> None:
    rate = Rate(5, per_s=5.0)
    bucket, place = take(Bucket(), rate, T, tokens=4)
    assert place == Place(granted=True, wait_s=0.0, at=T)
    assert take(bucket, rate, T, tokens=4)[1].wait_s == pytest.approx(3.0)
    with pytest.raises(ValueError, match="tokens"):
        take(bucket, rate, T, tokens=6)


def test_a_wait_that_is_no_use_reserves_nothing() -> None:
    bucket, _ = take(Bucket(), ONE, T)
    after, place = take(bucket, ONE, T, most_s=0.5)
    assert (place.granted, place.wait_s, place.at) == (False, pytest.approx(1.0), None)
    assert after == bucket


def test_invariant_11_nobody_waits_in_a_queue_without_an_end() -> None:
    bucket = replace(Bucket(), full_at=T + WAIT_S_MAX, spent_at=T)
    assert take(bucket, ONE, T, most_s=1e9)[1].at is not None
    bucket, place = take(replace(bucket, full_at=bucket.full_at + 1), ONE, T, most_s=1e9)
    assert place.at is None


def test_a_place_is_kept_by_who_comes_in_time() -> None:
    bucket, _ = take(Bucket(), ONE, T)
    bucket, place = take(bucket, ONE, T)
    assert place.at == pytest.approx(T + 1.0)
    bucket, early = take(bucket, ONE, T + 0.5, held=place.at)
    assert (early.granted, early.wait_s, early.at) == (False, pytest.approx(0.5), place.at)
    bucket, there = take(bucket, ONE, T + 1.0, held=place.at)
    assert there.granted
    # The place was paid for when it was reserved: the next one is a second later, not two.
    assert take(bucket, ONE, T + 1.0)[1].wait_s == pytest.approx(1.0)


def test_who_comes_late_gets_a_new_place() -> None:
    bucket = Bucket()
    for _ in range(5):
        bucket, place = take(bucket, ONE, T)
    late = place.at + LATE_S_MAX + 10.0
    found = []
    for _ in range(3):
        bucket, there = take(bucket, ONE, late, held=place.at)
        found.append(there.wait_s)
    assert found == pytest.approx([0, 1, 2])


def test_who_is_a_little_late_does_not_come_with_the_next_one() -> None:
    bucket = Bucket()
    for _ in range(2):
        bucket, first = take(bucket, ONE, T)
    bucket, second = take(bucket, ONE, T)
    bucket, there = take(bucket, ONE, first.at + 0.9, held=first.at)
    assert there.granted
    bucket, there = take(bucket, ONE, second.at, held=second.at)
    assert (there.granted, there.wait_s) == (False, pytest.approx(0.9))
    bucket, there = take(bucket, ONE, second.at + 0.9, held=there.at)
    assert there.granted


def test_a_429_closes_the_bucket_for_everybody_until_then() -> None:
    rate = Rate(10, per_s=10.0)
    # At half the rate after that, and one by one: nobody comes in a crowd.
    assert waits(rate, 3, closed(rate, 7.0)) == pytest.approx([7.0, 9.0, 11.0], abs=0.2)


def test_a_429_sends_those_who_wait_to_the_end_of_the_queue() -> None:
    bucket, _ = take(Bucket(), ONE, T)
    bucket, held = take(bucket, ONE, T)
    bucket = closed(ONE, 5.0, bucket=bucket)
    bucket, place = take(bucket, ONE, held.at, held=held.at)
    assert not place.granted
    assert place.at >= T + 5.0


def test_a_place_after_the_end_of_a_closed_time_stands() -> None:
    bucket = Bucket()
    for _ in range(9):
        bucket, held = take(bucket, ONE, T)
    bucket = closed(ONE, 3.0, bucket=bucket)
    assert take(bucket, ONE, held.at, held=held.at)[1].granted


def test_many_429s_to_one_crowd_count_once_and_those_to_the_next_one_again() -> None:
    bucket = Bucket()
    for number in range(40):
        now = T + number / 100
        bucket = close(bucket, ONE, now, asked_s=1.0, let_at=T, chance=0.0)
    assert bucket.slowdown == 2.0
    assert bucket.closed_until == pytest.approx(T + 1.39)
    bucket = close(bucket, ONE, T + 3, asked_s=1.0, let_at=T + 2, chance=0.0)
    assert bucket.slowdown == 4.0


def test_without_a_word_of_the_other_side_the_closed_time_doubles_up_to_a_bound() -> None:
    bucket, paused = Bucket(), []
    for number in range(20):
        now = T + number * 10_000.0
        bucket = close(bucket, ONE, now, asked_s=None, let_at=now, chance=0.0)
        paused.append(bucket.closed_until - now)
    assert paused[:3] == pytest.approx([2, 4, 8], abs=0.01)
    assert paused[-1] == pytest.approx(SLOWDOWN_MAX, abs=0.01)


def test_a_slow_bucket_gets_back_to_its_rate() -> None:
    rate = Rate(100, per_s=1.0)
    bucket, now = closed(rate, 0.0), T
    for _ in range(200):
        bucket, place = take(bucket, rate, now)
        now += place.wait_s + 0.001
    assert bucket.slowdown == 1.0


def test_a_bucket_that_hardly_anybody_asks_recovers_in_time() -> None:
    rate = Rate(10, per_s=1.0)
    bucket = replace(Bucket(), slowdown=64.0, slowed_at=T)
    for seconds, slowdown in ((RECOVERY_S, 32), (2 * RECOVERY_S, 16), (10 * RECOVERY_S, 1)):
        bucket, place = take(bucket, rate, T + seconds)
        assert place.granted
        assert bucket.slowdown == pytest.approx(slowdown, rel=0.05)


def test_invariant_11_a_slow_rate_is_not_slowed_down_without_an_end() -> None:
    for rate, spacing_s in ((Rate(1, per_s=10.0), SLOW_SPACING_S_MAX), (Rate(1, per_s=600.0), 600)):
        bucket = replace(Bucket(), slowdown=SLOWDOWN_MAX, slowed_at=T)
        for _ in range(2):
            bucket, before = take(bucket, rate, T)
        _, place = take(bucket, rate, T)
        assert place.wait_s - before.wait_s == pytest.approx(spacing_s)


@given(asked=st.floats(0.0, 1e12), chance=st.floats(0.0, 1.0, exclude_max=True))
def test_invariant_11_the_other_side_cannot_close_a_bucket_for_ever(
    asked: float, chance: float
) -> None:
    bucket = close(Bucket(), ONE, T, asked_s=asked, let_at=T, chance=chance)
    assert min(asked, CLOSED_S_MAX) - 1e-3 <= bucket.closed_until - T <= CLOSED_S_MAX + 1.0


@pytest.mark.parametrize(
    ("calls", "per_s"), [(0, 1), (-1, 1), (1.5, 1), (True, 1), (1, 0), (1, float("inf")), (1, -2)]
)
def test_a_rate_that_is_none_is_refused(calls: int, per_s: float) -> None:
    with pytest.raises(ValueError, match=r"rate\."):
        Rate(calls, per_s=per_s)


def test_a_long_name_is_cut_and_stays_apart() -> None:
    assert throttle_name("model", "openai:gpt-5") == "model:openai:gpt-5"
    one, other = (throttle_name("tool", "x" * 150 + end) for end in "ab")
    assert one != other
    assert len(one) == len(other) == 80


WORLD = st.lists(
    st.tuples(
        st.sampled_from(["come", "late", "close"]),
        st.floats(0.0, 3.0),
        st.integers(1, 3),
    ),
    max_size=60,
)


@settings(max_examples=200)
@given(calls=st.integers(3, 6), per_s=st.floats(0.1, 10.0), world=WORLD)
def test_never_more_than_the_rate_is_let_through_in_any_window(
    calls: int, per_s: float, world: list[tuple[str, float, int]]
) -> None:
    """Whoever comes, waits, is late, or is sent away by a 429."""
    rate, bucket, order = Rate(calls, per_s=per_s), Bucket(), count()
    queue: list[tuple[float, int, int, float | None]] = []
    now, let = T, []
    closes = []
    for what, gap, tokens in world:
        now += gap
        if what == "close":
            closes.append(now)
        else:
            heapq.heappush(queue, (now, next(order), tokens, None))
    lateness = [gap for what, gap, _ in world if what == "late"]
    while queue and len(let) < 500:
        now, number, tokens, held = heapq.heappop(queue)
        while closes and closes[0] <= now:
            at = closes.pop(0)
            bucket = close(bucket, rate, at, asked_s=0.5, let_at=at, chance=0.5)
        bucket, place = take(bucket, rate, now, tokens=tokens, held=held)
        if place.granted:
            let.append((now, tokens))
        else:
            assert place.wait_s > 0
            if place.at is None:
                continue
            # Each one is late once at most: who always is gets nowhere, and that is no bound.
            late = lateness.pop() if lateness and number % 3 == 0 else 0.0
            heapq.heappush(queue, (now + place.wait_s + late, number, tokens, place.at))
    assert not queue
    for i, (start, _) in enumerate(let):
        taken = 0
        for at, tokens in let[i:]:
            taken += tokens
            assert taken <= calls * (1 + (at - start) / per_s) + 1e-3


def storm(rate: Rate, real: Rate, *, clients: int, each: int, answer_s: float) -> float:
    """Return requests per admitted request, when clients storm a server with a rate of its own.

    Args:
        rate: What is declared here.
        real: What the server admits; it answers everything else with a 429.
        clients: How many ask at the same time.
        each: How many answers each of them needs.
        answer_s: How long an answer takes.
    """
    bucket, server, order = Bucket(), Bucket(), count()
    todo = [(T, next(order), each, None, None) for _ in range(clients)]
    requests = admitted = 0
    while todo:
        now, _, left, held, refused = heapq.heappop(todo)
        if refused is not None:
            let_at, asked_s = refused
            bucket = close(bucket, rate, now, asked_s=asked_s, let_at=let_at, chance=0.5)
        bucket, place = take(bucket, rate, now, held=held)
        if not place.granted:
            assert place.at is not None
            heapq.heappush(todo, (now + place.wait_s, next(order), left, place.at, None))
            continue
        requests += 1
        after, answer = take(server, real, now, most_s=0.0)
        if answer.granted:
            server, admitted, left = after, admitted + 1, left - 1
        answered = None if answer.granted else (now, float(int(answer.wait_s) + 1))
        if left:
            heapq.heappush(todo, (now + answer_s, next(order), left, None, answered))
    assert admitted == clients * each
    return requests / admitted


@pytest.mark.parametrize("factor", [1.0, 1.2, 2.0, 4.0])
def test_a_429_storm_of_50_runs_wastes_little_even_when_the_declared_rate_is_too_high(
    factor: float,
) -> None:
    real = Rate(10, per_s=1.0)
    rate = Rate(int(10 * factor), per_s=1.0)
    assert storm(rate, real, clients=50, each=10, answer_s=0.2) <= 1.2
