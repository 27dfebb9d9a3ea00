"""MCP servers, as programs and over HTTP."""
