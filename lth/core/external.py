"""Members that a notebook gives as its own objects or functions, instead of naming a kind."""

import hashlib
import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from textwrap import dedent
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, PrivateAttr

from lth.core.errors import SpecError
from lth.core.family import Member

_READABLE: ContextVar[bool] = ContextVar("external members may be read", default=False)


class External(Member):
    """A member that is not part of the library or of an installed package.

    Results record its name and its digest. A spec that is sent to a service cannot contain it. A
    member that was read from a file has no code; give the function or the object again to run it.

    Attributes:
        name: the name of the function, or of the class of the object.
        digest: SHA-256 (hex) of its source, and of the values that it refers to.
    """

    family: ClassVar[str] = "member"
    method: ClassVar[str] = ""
    """The method that an object must have."""
    as_function: ClassVar[bool] = False
    """Whether a function can be given in place of the method."""

    kind: Literal["external"]
    name: str
    digest: str
    _given: Any = PrivateAttr(default=None)

    @classmethod
    def accepts(cls, value: Any) -> bool:
        """Whether a value is an object or a function of the user, rather than plain data."""
        plain = (str, bytes, int, float, type, Mapping, list, tuple)
        if value is None or isinstance(value, plain):
            return False
        return not isinstance(value, BaseModel) or isinstance(value, cls)

    @classmethod
    def of(cls, value: Any) -> Self:
        """A function or an object as a member.

        Raises:
            ValueError: if it does not fulfil the contract.
        """
        if isinstance(value, cls):
            return value
        has_method = callable(getattr(value, cls.method, None))
        if not has_method and not (cls.as_function and inspect.isroutine(value)):
            what = f"an object with the method {cls.method}()"
            function = f", or a function with the arguments of {cls.method}()"
            raise ValueError(
                f"{value!r} is no {cls.family}; give a name, {what}"
                f"{function if cls.as_function else ''}"
            )
        named = {"kind": "external", "name": _name(value), "digest": source_digest(value)}
        made = cls.model_validate({**named, **cls.facts(value)})
        made._given = value
        return made

    @classmethod
    def facts(cls, value: Any) -> Mapping[str, Any]:
        """Values of further fields, which are known without the code."""
        return {}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self | None:
        """A member from a file; None unless files are read, see `readable`."""
        if document.get("kind") != "external" or not _READABLE.get():
            return None
        return cls.model_validate(dict(document))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, External)
            and type(other) is type(self)
            and (other.name, other.digest) == (self.name, self.digest)
        )

    def __hash__(self) -> int:
        return hash((type(self), self.name, self.digest))

    @property
    def given(self) -> Any:
        """The function or the object.

        Raises:
            SpecError: if this member was read from a file.
        """
        if self._given is None:
            raise SpecError(
                f"the {self.family} '{self.name}' is not part of this library; give the function "
                "or the object again"
            )
        return self._given

    def call(self, *arguments: Any) -> Any:
        """Call the method, or the function.

        Raises:
            SpecError: if it raises an error.
        """
        given = self.given
        function = given if inspect.isroutine(given) else getattr(given, self.method)
        try:
            return function(*arguments)
        except Exception as error:
            raise SpecError(
                f"the {self.family} '{self.name}' failed: {type(error).__name__}: {error}"
            ) from error

    def wrong(self, what: str, right: str) -> SpecError:
        """The error for a wrong result of the function."""
        return SpecError(f"the {self.family} '{self.name}' returned {what}; expected {right}")


@contextmanager
def readable() -> Iterator[None]:
    """Accept external members in documents that are read in this block, without their code."""
    token = _READABLE.set(True)
    try:
        yield
    finally:
        _READABLE.reset(token)


def source_digest(value: Any) -> str:
    """SHA-256 (hex) of the source of a function, or of the class and the state of an object.

    Default arguments and the values of a closure count too. Functions that it calls do not.
    """
    digest = hashlib.sha256()
    if inspect.isroutine(value):
        _add_function(digest, value)
    else:
        digest.update(_source(type(value)).encode())
        state = value.__dict__ if hasattr(value, "__dict__") else {}
        digest.update(repr(sorted(state.items())).encode())
    return digest.hexdigest()


def _add_function(digest: Any, function: Any) -> None:
    digest.update(_source(function).encode())
    digest.update(repr(getattr(function, "__defaults__", None)).encode())
    digest.update(repr(getattr(function, "__kwdefaults__", None)).encode())
    for cell in getattr(function, "__closure__", None) or ():
        digest.update(repr(cell.cell_contents).encode())


def _source(value: Any) -> str:
    """The source of a function or a class; its code, if no source is available."""
    try:
        return dedent(inspect.getsource(value))
    except (OSError, TypeError):
        code = getattr(value, "__code__", None)
        if code is None:
            return f"{value.__module__}.{value.__qualname__}"
        return f"{code.co_code.hex()} {code.co_consts!r} {code.co_names!r}"


def _name(value: Any) -> str:
    named = value if inspect.isroutine(value) else type(value)
    return getattr(named, "__name__", "external")[:64]
