"""``python -m lth.cli`` runs the command line where ``lth`` is not on the path."""

from lth.cli.main import main

main()
