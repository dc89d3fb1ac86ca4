"""`python -m kgents_cli`."""

from kgents_cli.main import main

main()
