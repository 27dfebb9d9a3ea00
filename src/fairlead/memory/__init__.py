"""What runs read: ingest documents and recall passages under policy."""
