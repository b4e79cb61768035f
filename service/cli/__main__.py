"""``python -m service.cli``: the command line, where ``lth`` is not on the path."""

from service.cli.main import main

main()
