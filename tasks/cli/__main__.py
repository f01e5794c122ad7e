"""`python -m laconic.tasks.cli`."""

from laconic.tasks.cli import main

main()
