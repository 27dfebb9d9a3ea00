"""Tokens and keys with joserfc."""
