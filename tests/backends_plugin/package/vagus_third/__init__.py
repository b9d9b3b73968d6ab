"""A backend of somebody else: it knows the seam and the ledger, and vagus knows it by its entry points alone."""

from vagus_third.honest import Third, subject

__all__ = ["Third", "subject"]
