"""What is measured: a module for each workload, every one with the function `run` and the lines that describe it."""
