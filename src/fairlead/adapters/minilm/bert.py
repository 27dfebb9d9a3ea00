"""The forward pass of a BERT encoder, as mean-pooled vectors of length 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]

HEADS = 12
NORM_EPS = np.float32(1e-12)
MASKED = np.float32(-1e9)
"""What is added to the score of a place that holds no token: its weight becomes 0."""

BLOCK_ROWS = 64
"""Rows that the activation goes through at once, so that they stay in the processor's cache."""


class Bert:
    """The weights, in the form that is fast to compute with."""

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        """Take the weights by the names that they have in the model's file.

        Args:
            weights: The tensors, as float32.

        Raises:
            KeyError: A tensor is missing.
        """
        # Every token is of type 0, so its vector is a part of each place's.
        types = weights["embeddings.token_type_embeddings.weight"]
        self._places = weights["embeddings.position_embeddings.weight"] + types[0]
        self._words = weights["embeddings.word_embeddings.weight"]
        self._norm = _norm_of(weights, "embeddings")
        count = sum(name.endswith("output.dense.bias") for name in weights) // 2
        self._layers = [_Layer(weights, f"encoder.layer.{number}") for number in range(count)]

    def embed(self, ids: Sequence[Sequence[int]]) -> Floats:
        """Return one vector per text, each of length 1.

        Args:
            ids: The tokens of each text, at least one; texts of about the same length waste least.
        """
        longest = max(len(tokens) for tokens in ids)
        padded = np.zeros((len(ids), longest), dtype=np.int64)
        held = np.zeros((len(ids), longest), dtype=np.float32)
        for row, tokens in enumerate(ids):
            padded[row, : len(tokens)] = tokens
            held[row, : len(tokens)] = 1
        full = bool(held.all())
        mask = None if full else ((1 - held) * MASKED)[:, None, None, :]
        states = (self._words[padded] + self._places[:longest]).reshape(-1, self._words.shape[1])
        states = _normed(states, *self._norm)
        for layer in self._layers:
            states = layer(states, padded.shape, mask)
        grouped = states.reshape(*padded.shape, -1)
        pooled = (held[:, None, :] @ grouped)[:, 0] / held.sum(axis=1, keepdims=True)
        lengths = np.sqrt(np.einsum("ij,ij->i", pooled, pooled, dtype=np.float64))
        vectors: Floats = (pooled / lengths[:, None]).astype("<f4")
        return vectors


class _Layer:
    def __init__(self, weights: Mapping[str, Floats], name: str) -> None:
        attention = f"{name}.attention.self"
        parts = [_dense_of(weights, f"{attention}.{part}") for part in ("query", "key", "value")]
        width = parts[0][0].shape[0]
        # The scores are divided by the root of a head's width: here, and not for each text.
        scale = np.float32((width // HEADS) ** -0.5)
        parts[0] = (parts[0][0] * scale, parts[0][1] * scale)
        self._asked = np.concatenate([matrix for matrix, _ in parts], axis=1)
        self._asked_bias = np.concatenate([bias for _, bias in parts])
        self._out = _dense_of(weights, f"{name}.attention.output.dense")
        self._out_norm = _norm_of(weights, f"{name}.attention.output")
        self._wide = _dense_of(weights, f"{name}.intermediate.dense")
        self._narrow = _dense_of(weights, f"{name}.output.dense")
        self._narrow_norm = _norm_of(weights, f"{name}.output")

    def __call__(self, states: Floats, shape: tuple[int, ...], mask: Floats | None) -> Floats:
        texts, places = shape
        width = states.shape[1]
        asked = states @ self._asked
        asked += self._asked_bias
        heads = asked.reshape(texts, places, 3, HEADS, width // HEADS).transpose(2, 0, 3, 1, 4)
        query, key, value = heads
        weights = _softmax(query @ key.transpose(0, 1, 3, 2), mask)
        seen = (weights @ value).transpose(0, 2, 1, 3).reshape(-1, width)
        states = _normed(states + _applied(seen, self._out), *self._out_norm)
        wide = _applied(states, self._wide)
        for start in range(0, len(wide), BLOCK_ROWS):
            _gelu(wide[start : start + BLOCK_ROWS])
        return _normed(states + _applied(wide, self._narrow), *self._narrow_norm)


def _dense_of(weights: Mapping[str, Floats], name: str) -> tuple[Floats, Floats]:
    return np.ascontiguousarray(weights[f"{name}.weight"].T), weights[f"{name}.bias"]


def _norm_of(weights: Mapping[str, Floats], name: str) -> tuple[Floats, Floats]:
    return weights[f"{name}.LayerNorm.weight"], weights[f"{name}.LayerNorm.bias"]


def _applied(states: Floats, dense: tuple[Floats, Floats]) -> Floats:
    made: Floats = states @ dense[0]
    made += dense[1]
    return made


def _normed(states: Floats, scale: Floats, bias: Floats) -> Floats:
    states -= states.mean(axis=1, keepdims=True)
    variance = np.einsum("ij,ij->i", states, states)[:, None] / np.float32(states.shape[1])
    states /= np.sqrt(variance + NORM_EPS)
    states *= scale
    states += bias
    return states


def _softmax(scores: Floats, mask: Floats | None) -> Floats:
    if mask is not None:
        scores += mask
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


# Abramowitz and Stegun, "Handbook of Mathematical Functions", 7.1.26: the error function within
# 1.5e-7, which numpy does not have.
_P = np.float32(0.3275911 / 2**0.5)
_A = tuple(
    np.float32(a / 2) for a in (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
)


def _gelu(x: Any) -> None:
    """Replace x by x * P(N <= x) of a normal N: max(x, 0) - |x| * P(N > |x|)."""
    size = np.abs(x)
    t = 1 / (1 + _P * size)
    tail = _A[4] * t
    for a in _A[3::-1]:
        tail += a
        tail *= t
    squared = np.square(x)
    squared *= np.float32(-0.5)
    np.exp(squared, out=squared)
    tail *= squared
    tail *= size
    np.maximum(x, 0, out=x)
    x -= tail
