"""Pictures of records; each takes records and returns something that Rich can print."""
