"""Reads the settings of an operator, and explains errors without a traceback."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_settings import SettingsError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from service.renamed_settings import RENAMED
from service.settings import Settings
from service.stack.errors import StackError

_SECRET = frozenset(
    {
        "database_url",
        "broker_url",
        "object_store_options",
        "admin_key",
        "signing_secret",
        "stack_secret",
    }
)
"""Settings whose values are secret and are not shown."""
_PREFIX = "LTH_"
_MISSPELT = 0.85
"""The similarity (`difflib`) from which a variable counts as a misspelt setting."""


def read_settings(**named: str) -> Settings:
    """The settings of the environment and of the arguments.

    Raises:
        StackError: if a setting is wrong or misspelt; the message names the variables.
    """
    misspelt = [f"  {name} is not a setting; {right} is" for name, right in _misspelt().items()]
    if misspelt:
        raise StackError("\n".join(["the environment is wrong:", *misspelt]))
    try:
        return Settings(**named)  # pyright: ignore[reportArgumentType]
    except SettingsError as error:
        raise StackError(f"the environment is wrong: {error}; expected JSON") from None
    except ValidationError as error:
        wrong = [_described(one["loc"], one["msg"], one["input"]) for one in error.errors()]
        raise StackError("\n".join(["the environment is wrong:", *wrong])) from None


@contextmanager
def using_database(url: str) -> Iterator[None]:
    """Explain a database that does not answer, or a wrong address.

    Raises:
        StackError: instead of SQLAlchemy's errors.
    """
    try:
        where = make_url(url).render_as_string()
    except ArgumentError:
        raise StackError(
            "LTH_DATABASE_URL is not an address; expected postgresql://USER:PASSWORD@HOST/NAME"
        ) from None
    try:
        yield
    except OperationalError as error:
        raise StackError(f"the database {where} cannot be used: {error.orig}") from None


def _misspelt() -> dict[str, str]:
    """Variables that are almost the name of a setting, with that setting."""
    settings = [name.upper() for name in (*Settings.model_fields, *RENAMED)]
    found: dict[str, str] = {}
    for variable in sorted(os.environ):
        name = variable.upper().removeprefix(_PREFIX).partition("__")[0]
        if variable.upper().startswith(_PREFIX) and name not in settings:
            for near in get_close_matches(name, settings, 1, _MISSPELT):
                found[variable] = _PREFIX + near
    return found


def _described(where: tuple[int | str, ...], message: str, value: object) -> str:
    message = message.removeprefix("Value error, ")
    if not where:
        return f"  {message}"
    name = _PREFIX + "__".join(part for part in where if isinstance(part, str)).upper()
    found = "" if where[0] in _SECRET else f" (found {value!r})"
    return f"  {name}: {message}{found}"
