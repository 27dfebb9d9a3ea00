"""Executable checks, pure: CI, the gate and every run call the same code."""
