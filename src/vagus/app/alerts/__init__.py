"""Who notices that a group falls behind? One process watches, and publishes what it sees."""
