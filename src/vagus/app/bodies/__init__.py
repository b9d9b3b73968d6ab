"""How do large bodies travel? Kept before their event is published, fetched before it is handled, removed after all."""
