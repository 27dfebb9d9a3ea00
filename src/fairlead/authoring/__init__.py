"""Declarations of the product lane; nothing runs here."""
