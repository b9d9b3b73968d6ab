"""`python -m vagus` is the command `vagus`."""

from vagus.cli import main

main()
