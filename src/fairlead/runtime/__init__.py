"""The request path and the boundary. Read pipeline.py, then boundary.py."""
