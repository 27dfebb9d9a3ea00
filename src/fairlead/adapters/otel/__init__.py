"""Spans and metrics on OpenTelemetry."""
