"""Flags through OpenFeature."""
