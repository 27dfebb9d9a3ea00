"""The embedding model MiniLM-L6-v2, computed here with numpy."""
