"""One suite, every backend, the same assertions: scenarios over the seam, and what runs them on any URL."""

from vagus.testing.conformance.run import run
from vagus.testing.conformance.verdict import Summary, Verdict

__all__ = ["Summary", "Verdict", "run"]
