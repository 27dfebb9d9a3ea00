"""The platform lane's change: release, gate, activation, rollback."""
