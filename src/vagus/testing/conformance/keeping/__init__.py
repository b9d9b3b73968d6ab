"""What is kept: dead letters, replay, books, units, state, streams, and all of it over a restart."""
