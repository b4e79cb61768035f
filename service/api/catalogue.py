"""``GET /v1/catalogue``: what a spec may name."""

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import TypeAdapter

from lth.spec.catalogue import Catalogue, catalogue

router = APIRouter(tags=["catalogue"])
_CATALOGUE: TypeAdapter[Catalogue] = TypeAdapter(Catalogue)


@router.get(
    "/catalogue",
    response_model=Catalogue,
    summary="What a spec may name",
)
async def get_catalogue() -> Response:
    """All members of all families, with their JSON schemas, aliases and descriptions.

    It is derived from the unions that validate specs.
    """
    content = _CATALOGUE.dump_json(catalogue())
    return Response(content, media_type="application/json")
