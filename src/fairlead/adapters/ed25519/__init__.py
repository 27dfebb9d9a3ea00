"""Signatures with Ed25519, through cryptography."""
