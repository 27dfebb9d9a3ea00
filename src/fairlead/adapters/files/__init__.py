"""Documents from a folder: Markdown, text, HTML and PDF."""
