"""Whole worlds in virtual time: real apps on a real backend, torn apart by a seed, judged by what they wrote down."""

from vagus.testing.simulation.bug import Bug
from vagus.testing.simulation.passing import Passing, PassingFeed
from vagus.testing.simulation.piecemeal import Piecemeal
from vagus.testing.simulation.world import Report, simulate

__all__ = ["Bug", "Passing", "PassingFeed", "Piecemeal", "Report", "simulate"]
