"""Who gets it? Names, lanes and hops: pure decisions about where an event goes, and in which order it is taken."""
