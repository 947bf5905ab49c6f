"""`python -m jobs` is the command `muster`."""

from jobs.cli import main

main()
