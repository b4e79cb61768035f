"""``GET /v1/webhook-secret``: by which whoever is called knows that it is us."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from service import signing
from service.api.accounts.access import MemberDep
from service.api.http.problems import Forbidden, NotFound, answers
from service.api.http.state import AppStateDep

router = APIRouter(tags=["jobs"])


class WebhookSecret(BaseModel):
    """What the webhooks of your jobs are signed with."""

    owner: str
    secret: str = Field(description="for a library for Standard Webhooks", examples=["whsec_..."])


@router.get(
    "/webhook-secret",
    summary="Look at the secret of your webhooks",
    responses=answers(Forbidden, NotFound),
)
def show_webhook_secret(principal: MemberDep, app: AppStateDep) -> WebhookSecret:
    """The same for all jobs of an owner, and another one for each owner."""
    secret = signing.secret_of(app.settings, principal.owner)
    if secret is None:
        raise NotFound("webhooks are not set up here: LTH_SIGNING_SECRET")
    return WebhookSecret(owner=principal.owner, secret=signing.written(secret))
