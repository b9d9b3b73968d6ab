"""Your functions, run: handlers, runs, streams and joins, over any backend."""
