"""Thin ways in: they parse, call an operation, and print."""
