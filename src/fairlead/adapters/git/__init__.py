"""Git, as a program."""
