"""Documents on SQL: replaced as a whole, found by words, never across a scope."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import process_time

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.adapters.sql import schema
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.documents import SqlDocumentStore
from fairlead.adapters.sql.ranking import Statistics, rank, read_question
from fairlead.core.grounding import Passage
from fairlead.ports.documents import Document, Hit, Query
from tests.databases import KINDS, opened


@pytest.fixture
def engine(database: Database) -> sa.Engine:
    return database.engine


@pytest.fixture
def store(database: Database) -> SqlDocumentStore:
    return SqlDocumentStore(database)


def doc(path: str, *texts: str, title: str = "") -> Document:
    """Make a document with a passage for each text."""
    text, passages = "", []
    for part in texts:
        start = len(text)
        text += part
        passages.append(
            Passage(
                collection="ignored",
                document=path,
                title=title or path,
                start=start,
                end=len(text),
                text=part,
            )
        )
        text += "\n\n"
    return Document(
        path=path,
        title=title or path,
        text=text,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        passages=tuple(passages),
    )


def ask(store: SqlDocumentStore, text: str, tenant: str = "acme", **other: object) -> list[Hit]:
    query = Query(text=text, tenant=tenant, collections=("docs",), top_k=5)
    return list(store.search(replace(query, **other)))  # type: ignore[arg-type]


def paths(hits: list[Hit]) -> list[str]:
    return [hit.passage.document for hit in hits]


REFUNDS = doc("refunds.md", "We pay back within 14 days.", "Downloads are final.", title="Refunds")
SHIPPING = doc("shipping.md", "Parcels to Norway take 9 days.", title="Shipping")


def test_a_question_finds_its_passage(store: SqlDocumentStore) -> None:
    assert store.replace("acme", "docs", [REFUNDS, SHIPPING]) == (2, 0, 0)
    (hit, *_) = ask(store, "How long do parcels take to Norway?")
    assert hit.passage == replace(SHIPPING.passages[0], collection="docs")
    assert 0.5 < hit.score <= 1
    assert paths(ask(store, "Is a downloaded file refundable?"))[0] == "refunds.md"
    assert store.collections("acme") == {"docs": 2}


def test_other_forms_of_a_word_are_found(store: SqlDocumentStore) -> None:
    store.replace("acme", "docs", [doc("a.md", "Der Café-Betreiber oscillates."), SHIPPING])
    assert paths(ask(store, "CAFE oscillators")) == ["a.md"]


def test_what_is_written_without_spaces_is_found_within(
    store: SqlDocumentStore, engine: sa.Engine
) -> None:
    store.replace(
        "acme",
        "docs",
        [doc("a.md", "返品は三十日以内に承ります"), doc("b.md", "Else", title="送料表")],
    )
    assert paths(ask(store, "返品")) == ["a.md"]
    assert paths(ask(store, "三十日")) == ["a.md"]
    assert paths(ask(store, "送料")) == ["b.md"]
    assert paths(ask(store, "交換")) == []
    store.replace("acme", "docs", [doc("a.md", "交換は三十日以内に承ります")])
    assert paths(ask(store, "返品 送料")) == []
    assert paths(ask(store, "交換")) == ["a.md"]
    if engine.dialect.name == "sqlite":
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO passages_fts(passages_fts, rank) VALUES ('integrity-check', 1)"
            )


def test_a_title_counts(store: SqlDocumentStore) -> None:
    other = doc("other.md", "The refunds of others are none of ours.", title="Other")
    named = doc("named.md", "See the terms of others.", title="Refunds")
    store.replace("acme", "docs", [other, named])
    assert paths(ask(store, "refunds"))[0] == "named.md"


def test_the_score_is_the_weighted_share_of_terms(store: SqlDocumentStore) -> None:
    store.replace("acme", "docs", [doc("a.md", "red green"), doc("b.md", "red blue")])
    (all_terms,) = ask(store, "the green red", min_score=0.9)
    assert (all_terms.passage.document, all_terms.score) == ("a.md", 1.0)
    scores = {hit.passage.document: hit.score for hit in ask(store, "green red purple")}
    # idf with 2 passages: red (in 2) 0.182, green (in 1) 0.693, purple (in 0) 1.792
    assert scores["a.md"] == pytest.approx((0.1823 + 0.6931) / (0.1823 + 0.6931 + 1.7918), abs=1e-3)
    assert scores["b.md"] == pytest.approx(0.1823 / (0.1823 + 0.6931 + 1.7918), abs=1e-3)


def test_a_second_half_is_not_crowded_out(store: SqlDocumentStore) -> None:
    crowd = [doc(f"crowd{number}.md", "zebra stripes pattern") for number in range(6)]
    others = [doc(f"other{number}.md", "something else entirely") for number in range(60)]
    store.replace("acme", "docs", [*crowd, *others, doc("oslo.md", "The harbour of Oslo.")])
    assert "oslo.md" in paths(ask(store, "zebra stripes pattern Oslo", top_k=4))


def test_a_title_is_not_crowded_out(store: SqlDocumentStore) -> None:
    crowd = [doc(f"crowd{number:03}.md", "refunds of others here") for number in range(200)]
    store.replace("acme", "docs", [*crowd, doc("z.md", "see the terms of all", title="Refunds")])
    assert paths(ask(store, "refunds", top_k=1)) == ["z.md"]


def test_other_scopes_do_not_crowd_out(store: SqlDocumentStore) -> None:
    better = [doc(f"{number:03}.md", "launch code plan", title="Plan") for number in range(200)]
    store.replace("other", "docs", better)
    store.replace("acme", "drafts", better)
    store.replace("acme", "docs", [doc("own.md", "The plan is a long and winding text.")])
    assert paths(ask(store, "launch code plan")) == ["own.md"]


def test_a_document_that_a_hit_names_moves_up(store: SqlDocumentStore) -> None:
    documents = [
        doc("film.md", "The film Red Moon was directed by Ada Holm.", title="Red Moon"),
        doc("y.md", "Born in a town, lives there.", title="Ada Holm (artist)"),
        *(doc(f"x{number}.md", "Born in a town, lives there.", title="X") for number in range(9)),
    ]
    store.replace("acme", "docs", documents)
    asked = ask(store, "Where was the director of the film Red Moon born?", top_k=2)
    assert paths(asked) == ["film.md", "y.md"]


def test_a_candidate_without_a_word_of_the_question_is_no_hit() -> None:
    question = read_question("refunds", 64)
    statistics = Statistics(passages=1, found_in={"refund": 1})
    assert rank(question, SHIPPING.passages, statistics, (5, 0.0)) == []


def test_a_document_without_passages_is_kept(store: SqlDocumentStore) -> None:
    assert store.replace("acme", "docs", [doc("a.md")]) == (1, 0, 0)
    assert store.replace("acme", "docs", [doc("a.md")]) == (0, 1, 0)
    assert store.collections("acme") == {"docs": 1}


def test_equals_come_by_path_and_place(store: SqlDocumentStore) -> None:
    documents = [doc(path, "same words", "same words", title="T") for path in ("b", "a", "c")]
    store.replace("acme", "docs", documents)
    hits = ask(store, "words", top_k=6)
    assert [(hit.passage.document, hit.passage.start) for hit in hits] == [
        (path, start) for path in "abc" for start in (0, 12)
    ]


def test_top_k_and_min_score_bound_the_hits(store: SqlDocumentStore) -> None:
    store.replace("acme", "docs", [doc(f"{n:03}", "same words") for n in range(300)])
    assert len(ask(store, "words", top_k=7)) == 7
    assert len(ask(store, "words", top_k=200)) == 200
    assert ask(store, "words", top_k=0) == ask(store, "words", top_k=-1) == []
    assert ask(store, "words and others", min_score=0.9) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        '"',
        "*",
        "NEAR(",
        'NEAR("a" "b", 10)',
        "AND OR NOT",
        "title : x",
        "-scope",
        "^x",
        "(((",
        "a\x00b",
        "😀",
        "\ud800",
        "'; DROP TABLE passages; --",
        "who is it",
        "x" * 100_000,
        "word " * 20_000,
        " ".join(f"w{number}" for number in range(20_000)),
        '"' * 100_000,
    ],
)
def test_any_question_is_answered(store: SqlDocumentStore, text: str) -> None:
    store.replace("acme", "docs", [REFUNDS, SHIPPING])
    assert all(hit.passage.collection == "docs" for hit in ask(store, text))
    assert paths(ask(store, f"Norway {text}"))[:1] == ["shipping.md"]


def test_operators_are_words(store: SqlDocumentStore) -> None:
    store.replace("acme", "docs", [doc("a.md", "near the gate"), doc("b.md", "far off")])
    assert paths(ask(store, "NEAR(gate far)")) == ["a.md", "b.md"]


def test_replace_writes_only_what_changed(store: SqlDocumentStore, engine: sa.Engine) -> None:
    store.replace("acme", "docs", [REFUNDS, SHIPPING, doc("old.md", "Old.")])
    before = rows(engine)
    changed = doc("shipping.md", "Parcels to Norway take 8 days.", title="Shipping")
    assert store.replace("acme", "docs", [REFUNDS, changed, doc("new.md", "New.")]) == (2, 1, 1)
    after = rows(engine)
    assert before["refunds.md"] == after["refunds.md"]
    assert sorted(after) == ["new.md", "refunds.md", "shipping.md"]
    assert ask(store, "old") == []
    assert "8 days" in ask(store, "Norway")[0].passage.text
    assert store.replace("acme", "docs", []) == (0, 0, 3)
    assert store.collections("acme") == {}


def test_a_text_that_is_cut_anew_is_written_again(store: SqlDocumentStore) -> None:
    store.replace("acme", "docs", [REFUNDS])
    again = replace(REFUNDS, passages=REFUNDS.passages[:1])
    assert store.replace("acme", "docs", [again]) == (1, 0, 0)
    assert ask(store, "downloads") == []


def test_replace_is_all_or_nothing(store: SqlDocumentStore, engine: sa.Engine) -> None:
    store.replace("acme", "docs", [REFUNDS])
    before = rows(engine)

    def broken() -> Iterator[Document]:
        yield SHIPPING
        raise RuntimeError("the source went away")

    with pytest.raises(RuntimeError):
        store.replace("acme", "docs", broken())
    with pytest.raises(ValueError, match=r"shipping\.md"):
        store.replace("acme", "docs", [SHIPPING, SHIPPING])
    no_title = replace(SHIPPING, title=None)  # type: ignore[arg-type]
    with pytest.raises(sa.exc.IntegrityError):
        store.replace("acme", "docs", [doc("a.md", "New."), no_title])
    assert rows(engine) == before
    assert paths(ask(store, "days")) == ["refunds.md"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_triggers_keep_the_index_in_step(store: SqlDocumentStore, engine: sa.Engine) -> None:
    store.replace("acme", "docs", [REFUNDS, SHIPPING])
    store.replace("acme", "docs", [SHIPPING])
    with engine.begin() as connection:
        connection.execute(sa.update(schema.passages).values(text="Boats sail."))
        check = "INSERT INTO passages_fts (passages_fts, rank) VALUES ('integrity-check', 1)"
        connection.execute(sa.text(check))
    assert len(ask(store, "boats")) == 1
    assert ask(store, "Norway") == []


def rows(engine: sa.Engine) -> dict[str, int]:
    table = schema.documents
    with engine.connect() as connection:
        found = connection.execute(sa.select(table.c.path, table.c.id))
        return {one.path: one.id for one in found}


# Names that a careless scope would mix up.
TENANTS = ("acme", "acme ", "ACME", 'acme", "docs', "a", "")
COLLECTIONS = ("docs", "docs2", "Docs", "docs%", "")


def test_near_copies_in_other_scopes_are_never_found(
    store: SqlDocumentStore, engine: sa.Engine
) -> None:
    scopes = [(tenant, name) for tenant in TENANTS for name in COLLECTIONS]
    for number, (tenant, name) in enumerate(scopes):
        near_copy = doc("plan.md", f"The launch code of the plan is canary{number}.", title="Plan")
        store.replace(tenant, name, [near_copy])
    for number, (tenant, name) in enumerate(scopes):
        hits = ask(store, "launch code plan", tenant=tenant, collections=(name,), top_k=50)
        assert [hit.passage.text for hit in hits] == [
            f"The launch code of the plan is canary{number}."
        ]
        foreign = " ".join(f"canary{other}" for other in range(len(scopes)) if other != number)
        assert ask(store, foreign, tenant=tenant, collections=(name,)) == []
    assert ask(store, "launch", tenant="nobody") == []
    with engine.connect() as connection:
        inside = connection.scalars(sa.select(schema.passages.c.scope).distinct()).all()
    assert len(inside) == len(scopes)
    assert ask(store, "launch", collections=()) == []


def test_a_scopes_own_word_finds_nothing(store: SqlDocumentStore, engine: sa.Engine) -> None:
    store.replace("acme", "docs", [REFUNDS])
    store.replace("other", "docs", [SHIPPING])
    with engine.connect() as connection:
        scopes = connection.scalars(sa.select(schema.passages.c.scope)).all()
    assert ask(store, " ".join(scopes)) == []


def test_several_collections_of_one_tenant(store: SqlDocumentStore) -> None:
    store.replace("acme", "docs", [REFUNDS])
    store.replace("acme", "more", [SHIPPING])
    store.replace("other", "more", [doc("x.md", "days days days")])
    hits = ask(store, "days", collections=("docs", "more", "none"))
    assert sorted(paths(hits)) == ["refunds.md", "shipping.md"]


TEXT = st.lists(
    st.sampled_from(["red", "green", "blue", "days", "plan", "Norway"]), min_size=1, max_size=8
)
TEXTS = st.lists(TEXT.map(" ".join), min_size=1, max_size=6)


@pytest.fixture(params=KINDS)
def alone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlDocumentStore]:
    with opened(request.param, request, tmp_path) as database:
        yield SqlDocumentStore(database)


properties = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


def documents(texts: list[str]) -> list[Document]:
    return [doc(f"{number}.md", text) for number, text in enumerate(texts)]


@properties
@given(own=TEXTS, foreign=TEXTS, question=TEXT.map(" ".join))
def test_what_others_keep_changes_nothing(
    store: SqlDocumentStore,
    alone: SqlDocumentStore,
    own: list[str],
    foreign: list[str],
    question: str,
) -> None:
    """Whatever kind each of the two is: a question finds the same on both databases."""
    alone.replace("acme", "docs", documents(own))
    store.replace("other", "docs", documents(foreign))
    store.replace("acme", "docs", documents(foreign))
    store.replace("acme", "drafts", documents(foreign))
    store.replace("acme", "docs", documents(own))
    assert ask(store, question) == ask(alone, question)


def test_search_stays_fast_on_a_thousand_documents(store: SqlDocumentStore) -> None:
    vocabulary = [f"word{number}" for number in range(2_000)]

    def text(seed: int) -> str:
        # Common words come often, as in a language.
        return " ".join(vocabulary[(seed * 7919 + n * n * 31) % (20 + n * 20)] for n in range(90))

    store.replace("acme", "docs", [doc(f"{n:04}.md", text(n)) for n in range(1_000)])
    ask(store, "word1")
    begun = process_time()
    for number in range(20):
        assert ask(store, " ".join(text(number).split()[::9]))
    # Ten times what was measured: this finds a lost index, not a slow machine.
    assert (process_time() - begun) / 20 < 0.1
