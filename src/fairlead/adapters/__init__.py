"""One folder per outside system: translation, no rules."""
