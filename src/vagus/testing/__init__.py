"""How do I prove it? The conformance suite, shipped; imported by `cli` alone."""

from vagus.testing import conformance
from vagus.testing.subject import Subject, SubjectFactory, Witness
from vagus.testing.subjects import find_subject, memory_subject, sqlite_subject

__all__ = ["Subject", "SubjectFactory", "Witness", "conformance", "find_subject", "memory_subject", "sqlite_subject"]
