"""Our tables in SQLAlchemy Core, on the same database as the engine."""
