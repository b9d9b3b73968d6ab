"""What survives when workers are killed and stopped at random? A run under faults, judged by what its processes wrote.

Publishers and handlers write a history of their own, each line safe on disk before they go on; pure checkers read it
afterwards. No counter of vagus is believed, except where it is itself on trial.
"""

from vagus.testing.faults.judge.verdict import Finding, Verdict, judge
from vagus.testing.faults.plan import Plan
from vagus.testing.faults.run import run

__all__ = ["Finding", "Plan", "Verdict", "judge", "run"]
