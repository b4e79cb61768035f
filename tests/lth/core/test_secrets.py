"""Secrets of the environment are hidden in any text; other words stay."""

import json

import pytest

from lth.core.secrets import hiding, secrets_of, without_passwords

ENVIRONMENT = {
    "LTH_API_KEY": "lth_planted-api-key ",
    "LTH_SIGNING_SECRET": 'planted "signing" sécret',
    "LTH_DATABASE_URL": "postgresql://lth:planted%2Fdatabase@db/lth?sslpassword=planted-ssl",
    "LTH_BROKER_URL": "redis://:planted@bro/ker#@broker:6379/0",
    "LTH_OBJECT_STORE_OPTIONS": '{"secret_access_key": "planted-s3", "region": "us-east-1"}',
    "LTH_OBJECT_STORE_OPTIONS__SESSION_TOKEN": "planted-session",
    "HTTPS_PROXY": "http://ada:planted-proxy@proxy:3128",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/run/tokens/file",
    "LTH_KEEP_LABEL": "important",
    "LTH_ADMIN_KEY": "abc",
}


@pytest.mark.parametrize(
    "said",
    [
        "Illegal header value b'Bearer lth_planted-api-key '",
        "key lth_planted-api-key, twice: lth_planted-api-key",
        'signed with planted "signing" sécret',
        json.dumps('signed with planted "signing" sécret'),
        ascii('signed with planted "signing" sécret'),
        "password planted/database or planted%2Fdatabase",
        "cannot connect to redis://:planted@bro/ker#@broker:6379/0",
        "password 'planted@bro/ker#'",
        "postgresql://lth@db/lth?sslpassword=planted-ssl",
        "key planted-s3, token planted-session",
        "proxy http://ada:planted-proxy@proxy:3128 refused",
        "another address: https://eve:planted-by-eve@host/path",
        "https://store/ab?X-Amz-Signature=planted-signature&x=1",
    ],
)
def test_no_secret_of_the_environment_stays_in_a_text(said):
    shown = hiding(secrets_of(ENVIRONMENT))(said)
    assert "planted" not in shown
    assert "[hidden]" in shown


@pytest.mark.parametrize(
    "said",
    [
        "the region us-east-1 has important files, such as /run/tokens/file",
        "abc is too short for a secret",
        "expected postgresql://USER:PASSWORD@HOST/NAME",
        "postgresql://lth@db:5432/lth and http://127.0.0.1:8000/v1/jobs?limit=3",
        "write to ada@example.org, or look at https://example.org/@ada",
        "",
    ],
)
def test_other_words_are_not_hidden(said):
    assert hiding(secrets_of(ENVIRONMENT))(said) == said
    assert without_passwords(said) == said
