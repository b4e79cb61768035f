"""What survivors become before they are trained again. One file a member; add it to `Reinit`."""

from typing import Annotated

from pydantic import Field

from lth.family import by_name
from lth.reinit._base import KernelState, ReinitContract
from lth.reinit.rewind import Rewind

Reinit = Annotated[Rewind, Field(discriminator="kind"), by_name()]

__all__ = ["KernelState", "Reinit", "ReinitContract", "Rewind"]
