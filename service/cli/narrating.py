"""The output of `lth up`."""

import shlex
from importlib.metadata import version

from rich.text import Text

from lth.cli.screen import say
from lth.client.local_stack import Running, user_directory
from service.stack.data_directory import DataDirectory


class ScreenNarrator:
    """Prints the start of a stack, and events that a user should know."""

    def __init__(self, data: DataDirectory) -> None:
        self._data = data
        say(Text.assemble((f"lth {version('lth')}", "bold"), f"  data in {data.directory}"))

    def started(self, name: str, what: str, seconds: float) -> None:
        """Print that a part has started."""
        took = (f"{seconds:.1f} s", "bright_black")
        say(Text.assemble("  ", ("✓", "green"), f" {name:<10}{what}  ", took))

    def ready(self, running: Running) -> None:
        """Print that the stack is ready."""
        say(Text.assemble(("ready", "bold green"), f": {running.server}"))
        say(f"  submit   {self._chosen}lth submit examples/quickstart.yaml --wait")
        say(f"  logs     {self._data.log('*')}")
        say("  stop     Ctrl-C")

    @property
    def _chosen(self) -> str:
        """The variable with which other commands find a stack that is not on the default."""
        directory = self._data.directory
        if directory == user_directory():
            return ""
        return f"LTH_DATA_DIR={shlex.quote(str(directory))} "

    def say(self, text: str) -> None:
        """Print a message."""
        say(text)
