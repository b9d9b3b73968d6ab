"""vagus carries events between the parts of an AI system, on the broker that is already there."""
