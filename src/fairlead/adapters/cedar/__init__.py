"""Policies in Cedar."""
