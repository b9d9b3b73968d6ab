"""`memory://`: the ledger's model in this process; for development, tests and as the oracle of the others."""

from vagus.backends.memory.backend import Memory

__all__ = ["Memory"]
