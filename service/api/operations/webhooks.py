"""``GET /v1/webhook-secret``: the secret with which a receiver verifies webhooks."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from service import signing
from service.api.accounts.access import MemberDep
from service.api.http.problems import Forbidden, NotFound, answers
from service.api.http.state import AppStateDep

router = APIRouter(tags=["jobs"])


class WebhookSecret(BaseModel):
    """The secret that signs the webhooks of your jobs."""

    owner: str
    secret: str = Field(description="for a library for Standard Webhooks", examples=["whsec_..."])


@router.get(
    "/webhook-secret",
    summary="Look at the secret of your webhooks",
    responses=answers(Forbidden, NotFound),
)
def show_webhook_secret(principal: MemberDep, app: AppStateDep) -> WebhookSecret:
    """The secret is the same for all jobs of an owner, and different for each owner."""
    secret = signing.secret_of(app.settings, principal.owner)
    if secret is None:
        raise NotFound("webhooks are not set up here: LTH_SIGNING_SECRET")
    return WebhookSecret(owner=principal.owner, secret=signing.written(secret))
