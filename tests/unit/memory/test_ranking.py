"""The order of recalled memories: what moves an item up or down, and that any input is ranked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from math import exp, inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.memory.features import Measured, measure, weight_of
from fairlead.memory.question import QUESTION_TERMS_MAX, asked_stems, read_question
from fairlead.memory.ranking import Scored, rank
from fairlead.ports.memory import Candidate, Statistics

YEAR_1 = -62135596800.0
YEAR_9999 = 253402300799.0


def at(day: str) -> float:
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


def turn(place: int, actor: str, text: str, **more: object) -> Candidate:
    """One turn of a talk that took place on one day."""
    one = Candidate(
        id=f"t{place}", text=text, actor=actor, at=at("2024-03-05"), thread="talk", place=place
    )
    return replace(one, **more)  # type: ignore[arg-type] - the fields are Candidate's own


def paragraph(title: str, text: str, similarity: float | None = None) -> Candidate:
    return Candidate(
        id=title,
        title=title,
        text=text,
        actor="",
        at=None,
        thread="",
        place=0,
        similarity=similarity,
    )


def statistics(**found_in: int) -> Statistics:
    return Statistics(items=100, found_in=found_in, mean_words=8.0)


def measured(question: str, *candidates: Candidate) -> list[Measured]:
    return measure(read_question(question), candidates, statistics())


def ranked(question: str, *candidates: Candidate, top_k: int = 10) -> list[Scored]:
    return rank(question, candidates, statistics(), top_k=top_k)


def order(question: str, *candidates: Candidate, top_k: int = 10) -> list[str]:
    return [one.candidate.id for one in ranked(question, *candidates, top_k=top_k)]


# -------------------------------------------------------------------------------- the question


def test_the_index_is_asked_for_words_and_their_irregular_forms() -> None:
    asked = asked_stems("Where did Anna buy the tickets?")
    assert asked == {"anna": "anna", "bui": "buy", "bought": "bought", "ticket": "tickets"}


def test_the_index_is_asked_for_a_bounded_number_of_words() -> None:
    question = " ".join(f"word{number}" for number in range(1_000))
    assert len(asked_stems(question)) == QUESTION_TERMS_MAX
    assert len(read_question(question).keys) == QUESTION_TERMS_MAX
    assert read_question("of the " * 50_000).keys == ()


def test_dates_are_read_and_a_verb_is_no_month() -> None:
    read = read_question("What happened on 8 May, 2023?")
    assert (read.months, read.years, read.days) == ({5}, {2023}, {8})
    assert read_question("May I march in summer?").months == {6, 7, 8}
    assert read_question("Who sold 12 pears?").days == frozenset()


@pytest.mark.parametrize(
    ("question", "when"),
    [
        ("When did he leave?", True),
        ("Which year was it?", True),
        ("Who came when?", True),
        ("Who left?", False),
        ("Whenever", False),
    ],
)
def test_a_question_for_a_time_is_known(question: str, when: bool) -> None:
    assert read_question(question).when is when


# -------------------------------------------------------------------------------- the features


def test_words_that_the_item_holds_move_it_up_and_rare_ones_more() -> None:
    common, rare = turn(0, "Ben", "the garden party"), turn(9, "Ben", "the harmonica party")
    found = statistics(garden=60, harmonica=1)
    hits = rank("garden harmonica", [common, rare, turn(20, "Ben", "no")], found, top_k=3)
    assert [hit.candidate.id for hit in hits] == ["t9", "t0", "t20"]
    assert hits[0].parts["words"] > hits[1].parts["words"] > hits[2].parts["words"] == 0


def test_an_irregular_form_is_the_same_word() -> None:
    bought, other = measured(
        "buy a boat", turn(0, "Ben", "I bought a boat"), turn(9, "Ben", "a boat")
    )
    assert bought.gains.keys() == {"bui", "boat"}
    assert other.gains.keys() == {"boat"}


def test_an_irregular_form_counts_for_how_common_a_word_is() -> None:
    assert weight_of(statistics(bui=10), "bui") > weight_of(statistics(bui=10, bought=40), "bui")
    assert weight_of(statistics(bui=90, bought=90), "bui") > 0


def test_a_turn_beside_a_match_moves_up() -> None:
    asked = turn(3, "Ann", "Did you see the lighthouse?")
    answer, far = turn(4, "Ben", "Yes it was great fun"), turn(30, "Ben", "Yes it was great fun")
    next_to, away, _ = measured("lighthouse", answer, far, asked)
    assert next_to.features["words_before"] > away.features["words_before"] == 0
    assert next_to.features["held_nearby"] > away.features["held_nearby"] == 0
    assert next_to.features["asked_before"] > away.features["asked_before"] == 0
    assert order("lighthouse", answer, far, asked).index("t4") < 2


def test_two_places_away_still_counts_and_other_threads_do_not() -> None:
    match = turn(3, "Ann", "the lighthouse")
    near, elsewhere, _ = measured(
        "lighthouse", turn(5, "Ben", "fun"), turn(1, "Ben", "fun", thread="other"), match
    )
    assert near.features["words_2"] > elsewhere.features["words_2"] == 0


def test_the_day_of_the_talk_counts() -> None:
    match = turn(0, "Ann", "the lighthouse")
    same, later, _ = measured(
        "lighthouse", turn(20, "Ben", "fun"), turn(21, "Ben", "fun", at=at("2024-03-09")), match
    )
    assert same.features["held_in_stretch"] == pytest.approx(1.0)
    assert later.features["held_in_stretch"] == 0


def test_who_is_named_in_the_question_moves_up() -> None:
    hits = ranked("What did Ben cook?", turn(0, "Ann", "cook pasta"), turn(9, "Ben", "cook rice"))
    assert [hit.candidate.actor for hit in hits] == ["Ben", "Ann"]
    assert hits[0].parts["actor"] > 0 > hits[1].parts["actor"]
    no_one = ranked("What did Cid cook?", turn(0, "Ann", "cook pasta"))
    assert no_one[0].parts["actor"] == 0


def test_a_name_in_the_text_of_a_turn_is_no_match() -> None:
    called, _ = measured("What did Ben cook?", turn(0, "Ann", "Hi Ben"), turn(9, "Ben", "Hi"))
    assert called.features["words"] == 0
    written = measured("What did Ben cook?", paragraph("Ben", "A cook"), turn(9, "Ben", "Hi"))[0]
    assert written.gains.keys() == {"ben", "cook"}


def test_what_one_says_of_oneself_moves_up() -> None:
    mine, hers = measured(
        "What did Ben cook?", turn(0, "Ben", "I cook my rice"), turn(9, "Ben", "She can cook rice")
    )
    assert mine.features["actor_first_person"] > hers.features["actor_first_person"] == 0


def test_a_turn_that_asks_moves_down() -> None:
    hits = ranked("pasta", turn(0, "Ann", "Is it pasta?  "), turn(9, "Ann", "It is pasta"))
    assert [hit.candidate.id for hit in hits] == ["t9", "t0"]
    assert hits[1].parts["form"] < hits[0].parts["form"]


def test_longer_turns_move_up_to_a_bound() -> None:
    short, long, huge = measured(
        "pasta",
        turn(0, "Ann", "so so"),
        turn(9, "Ann", "so " * 60),
        turn(20, "Ann", "so " * 2_000),
    )
    assert short.features["length"] < long.features["length"] < huge.features["length"] == 1


def test_a_time_moves_up_where_one_is_asked_for() -> None:
    dated, plain = turn(0, "Ann", "I moved last week"), turn(9, "Ann", "I moved with joy")
    assert order("When did you move?", plain, dated) == ["t0", "t9"]
    asked = measured("When did you move?", dated, plain)
    assert [one.features["time_asked"] for one in asked] == [1, 0]
    for one in measured("Why did you move?", plain, dated):
        assert one.features["time_asked"] == 0


@pytest.mark.parametrize(
    ("question", "month", "day"),
    [
        ("What did I do in March 2024?", 1.0, 0.0),
        ("What did I do in February?", 0.3, 0.0),
        ("What did I do in 2024?", 0.5, 0.0),
        ("What did I do in March 2023?", 0.0, 0.0),
        ("What did I do in spring?", 1.0, 0.0),
        ("What did I do on 5 March?", 1.0, 1.0),
        ("What did I do on March 1st, 2024?", 1.0, exp(-1)),
        ("What did I do on 5 March 2021?", 0.0, 0.0),
        ("What did I do?", 0.0, 0.0),
    ],
)
def test_dates_in_the_question_are_compared_with_the_item(
    question: str, month: float, day: float
) -> None:
    features = measured(question, turn(0, "Ann", "we sailed"))[0].features
    assert (features["month"], features["day"]) == (month, pytest.approx(day))


def test_new_year_is_near_new_years_eve() -> None:
    eve = turn(0, "Ann", "we sailed", at=at("2023-12-31"))
    assert measured("on 1 January?", eve)[0].features["day"] > 0
    assert measured("sailed on 1 January", eve)[0].features["day"] > 0.7


def test_similarity_counts_and_so_does_that_of_neighbours() -> None:
    near = turn(0, "Ann", "x", similarity=0.8)
    beside, away = turn(1, "Ann", "x", similarity=0.1), turn(30, "Ann", "x", similarity=0.1)
    hits = ranked("pasta", away, beside, near)
    assert [hit.candidate.id for hit in hits] == ["t0", "t1", "t30"]
    assert [hit.parts["similarity"] for hit in hits] == sorted(
        (hit.parts["similarity"] for hit in hits), reverse=True
    )


def test_similarities_around_are_told_apart() -> None:
    around = [turn(place, "Ann", "x", similarity=place / 10) for place in range(1, 6)]
    features = measured("pasta", *around)[2].features
    assert {name: features[name] for name in features if name.startswith("similarity")} == {
        "similarity": 0.3,
        "similarity_before": 0.2,
        "similarity_after": 0.4,
        "similarity_2": pytest.approx(0.1 + 0.5),
        "similarity_best": 0.4,
    }


def test_a_turn_alone_on_its_day_is_no_stretch() -> None:
    assert measured("pasta", turn(0, "Ann", "pasta"))[0].features["held_in_stretch"] == 0


def test_a_paragraph_is_not_held_to_what_only_turns_can_have() -> None:
    near, far = ranked("harbour town", paragraph("A", "the harbour town"), paragraph("B", "so"))
    assert far.score < 0.01 < near.score


def test_without_any_similarity_there_is_no_such_part() -> None:
    assert "similarity" not in ranked("pasta", turn(0, "Ann", "pasta"))[0].parts


@pytest.mark.parametrize("missing", [None, nan, inf])
def test_a_missing_similarity_is_the_mean_of_the_others(missing: float | None) -> None:
    values = measured(
        "pasta",
        turn(0, "Ann", "x", similarity=0.2),
        turn(9, "Ann", "x", similarity=missing),
        turn(20, "Ann", "x", similarity=0.6),
    )
    assert values[1].features["similarity"] == pytest.approx(0.4)


def test_words_of_the_title_count_twice() -> None:
    titled, told = measured("harbour", paragraph("Harbour", "a b"), paragraph("B", "harbour b"))
    assert titled.gains["harbour"] > told.gains["harbour"] > 0


# -------------------------------------------------------------------------------- the choice


def test_what_is_already_said_counts_less() -> None:
    first = paragraph("A", "amber boats amber boats")
    second = paragraph("B", "amber boats amber boats x")
    other = paragraph("C", "copper")
    hits = ranked("amber boats copper", first, second, other)
    alone = {hit.candidate.id: hit.score for hit in hits}
    assert alone["B"] > alone["C"]
    assert [hit.parts.get("together", 0.0) < 0 for hit in hits] == [
        hit.candidate.id == "B" for hit in hits
    ]


def test_a_title_that_a_choice_names_moves_up() -> None:
    film = paragraph("Night Ferry", "Night Ferry is a film that Ada Brook directed")
    person = paragraph("Ada Brook (director)", "She was born in Cork")
    others = [paragraph(f"P{n}", "film people are born in towns") for n in range(5)]
    found = order("Where was who made the film Night Ferry born?", film, person, *others)
    assert found[:2] == ["Night Ferry", "Ada Brook (director)"]


def test_parts_are_what_the_score_is_made_of() -> None:
    for hit in ranked("amber boats", turn(0, "Ann", "amber boats"), turn(9, "Ben", "boats")):
        odds = sum(value for name, value in hit.parts.items() if name != "together")
        assert hit.score == pytest.approx(1 / (1 + exp(-odds)))


def test_items_below_the_least_score_are_left_out() -> None:
    candidates = [turn(0, "Ann", "amber boats"), turn(9, "Ben", "so")]
    least = min(hit.score for hit in ranked("amber boats", *candidates))
    hits = rank("amber boats", candidates, statistics(), top_k=9, min_score=least + 1e-9)
    assert [hit.candidate.id for hit in hits] == ["t0"]


def test_nothing_near_scores_low() -> None:
    near = ranked("What did Ann buy?", turn(0, "Ann", "I bought amber boats"))[0].score
    far = ranked("Who won the chess match?", turn(0, "Ann", "I bought amber boats"))[0].score
    assert far < 0.01 < near


# -------------------------------------------------------------------------------- any input

anything = st.text(max_size=60) | st.sampled_from(
    ["", '"', "*", "NEAR(", "AND OR NOT", "\x00\x1b", "?", "in May 2023", "Ann", "amber " * 2_000]
)
times = st.none() | st.floats() | st.sampled_from([YEAR_1, YEAR_9999, at("2024-02-29")])
candidates = st.lists(
    st.builds(
        Candidate,
        id=st.sampled_from("abcdefgh"),
        text=anything,
        actor=anything,
        at=times,
        thread=st.sampled_from(["", "x", "y"]),
        place=st.integers(-3, 3),
        title=anything,
        similarity=st.none() | st.floats(),
    ),
    max_size=8,
)


@given(
    question=anything,
    found=candidates,
    top_k=st.integers(-1, 9),
    seed=st.randoms(use_true_random=False),
)
def test_any_input_is_ranked(
    question: str, found: list[Candidate], top_k: int, seed: object
) -> None:
    hits = rank(question, found, statistics(amber=3), top_k=top_k)
    assert len(hits) == min(max(0, top_k), len({one.id for one in found}))
    assert all(0 <= hit.score <= 1 for hit in hits)
    assert len({hit.candidate.id for hit in hits}) == len(hits)
    shuffled = list(found)
    seed.shuffle(shuffled)  # type: ignore[attr-defined] - a random.Random
    again = rank(question, shuffled, statistics(amber=3), top_k=top_k)
    assert repr(again) == repr(hits)


@pytest.mark.parametrize(
    "text", ["amber " * 20_000, "(" * 100_000, '"*NEAR(' * 15_000, "\x00" * 100_000]
)
def test_huge_texts_are_read_up_to_a_bound(text: str) -> None:
    found = [turn(0, text, text, title=text), turn(1, "Ann", "amber")]
    assert len(rank(text, found, statistics(), top_k=2)) == 2


def test_no_candidates_and_statistics_of_nothing() -> None:
    nothing = Statistics(items=0, found_in={}, mean_words=0.0)
    assert rank("amber", [], nothing, top_k=5) == []
    assert rank("amber", [turn(0, "Ann", "amber")], nothing, top_k=5)[0].score > 0
