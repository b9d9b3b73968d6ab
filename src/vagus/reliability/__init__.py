"""What if it goes wrong? Retry, quarantine, dead letter and redrive: pure decisions, carried out by others."""
