"""Agent loops, model providers and the extractive model on pydantic-ai."""
