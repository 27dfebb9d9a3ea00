"""What was said of runs that are in no rollout that goes on is not looked for any more."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Tick it off, as new words of such runs are."""
    # True is written apart on each database.
    true = sa.true().compile(dialect=op.get_bind().dialect)
    op.execute(
        f"UPDATE feedback SET counted = {true} WHERE NOT EXISTS ("
        "SELECT 1 FROM assignments JOIN rollouts ON rollouts.id = assignments.rollout "
        "WHERE assignments.run_id = feedback.run_id AND rollouts.ended_at IS NULL)"
    )
