"""What `lth up` says, on one screen."""

from importlib.metadata import version

from rich.console import Console

from service.stack.place import Place, Running


class ScreenNarrator:
    """Tells a person what a stack does."""

    def __init__(self, console: Console, place: Place) -> None:
        self._console = console
        self._place = place
        self._say(f"[bold]lth {version('lth')}[/]  data in {place.directory}")

    def started(self, name: str, what: str, seconds: float) -> None:
        """A part is up."""
        self._say(f"  [green]✓[/] {name:<10}{what}  [bright_black]{seconds:.1f} s[/]")

    def ready(self, running: Running) -> None:
        """All of it is up."""
        self._say(f"[bold green]ready[/]: {running.server}")
        self._say("  submit   lth submit examples/quickstart.yaml --wait")
        self._say(f"  logs     {self._place.log('*')}")
        self._say("  stop     Ctrl-C")

    def say(self, text: str) -> None:
        """Something happened that a person should know."""
        self._console.print(text, markup=False, soft_wrap=True)

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)
