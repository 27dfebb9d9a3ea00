"""The durable engine on DBOS."""
