"""How does an effect happen once? The ledger, named effects, and transactions of the user's own database."""
