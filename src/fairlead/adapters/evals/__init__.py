"""Evaluation datasets on pydantic-evals."""
