"""Apps that run as they are, and the demo."""
