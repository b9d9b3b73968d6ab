"""Where are large bodies kept? One module for each kind of place, found by the scheme of its URL."""
