"""Secrets that stand in evidence: each form is taken out, and what only looks a little like one stays."""

from __future__ import annotations

import json

import pytest

from actors.prompts import data, undata
from actors.redaction import redacted

# Put together here, so that no scanner takes this file for a leak.
SECRETS = {
    "an AWS key": "AKIA" + "IOSFODNN7EXAMPLE",
    "a GitHub token": "ghp_" + "a1B2" * 9,
    "a fine-grained GitHub token": "github_pat_" + "11ABCDEFG0" * 3,
    "a GitLab token": "glpat-" + "x1Y2z3-_" * 3,
    "a Slack token": "xoxb-" + "123456789012-abcdef",
    "a key of a model's provider": "sk-ant-api03-" + "q1w2e3r4" * 4,
    "a payment key": "sk_live_" + "4eC39HqLyjWDarjtT1zd",
    "a Google key": "AIza" + "SyA1234567890abcdefghijklmnopqrstuvw"[:35],
    "a JWT": "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dozjgNryP4J3jVmNHl0w5N",
    "a private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nx+/=\n-----END RSA PRIVATE KEY-----",
    "a private key cut off": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq",
}
NAMED = {
    "a password in a URL": ("postgres://app:{}@db.example.org/x", "hunter2-s3cret"),
    "a bearer token": ("headers: Authorization: Bearer {}", "9f86d081884c7d659a2f"),
    "basic authentication": ('{{"Authorization": "Basic {}"}}', "dXNlcjpwYXNz"),
    "a password": ("DB_PASSWORD={}", "hunter2hunter2"),
    "a password in YAML": ("password: {}", "c0rrect-horse"),
    "a password in JSON": ('{{"db": {{"password": "{}"}}}}', "c0rrect-horse"),
    "an API key in a header": ("curl -H 'x-api-key: {}'", "4d7a9bce11"),
    "a token in a query": ("GET /v1?access_token={}&page=2", "4d7a9bce11"),
    "a secret in a shell": ("export CLIENT_SECRET={}", "4d7a9bce11"),
}


@pytest.mark.parametrize("name", SECRETS)
def test_what_an_issuer_has_marked_is_taken_out(name: str) -> None:
    """In plain text and in JSON, which stays JSON."""
    text = f"before {SECRETS[name]} after"

    assert SECRETS[name] not in redacted(text)
    assert redacted(text).startswith("before [secret]")
    assert undata(data("a tool", {"title": text, "n": 1})) == {"title": redacted(text), "n": 1}


@pytest.mark.parametrize("name", NAMED)
def test_what_its_name_says_is_taken_out_and_the_name_stays(name: str) -> None:
    """An engineer sees that a secret was there, and of what kind."""
    frame, secret = NAMED[name]
    text = frame.format(secret)

    assert redacted(text) == frame.format("[secret]")
    assert redacted(redacted(text)) == redacted(text)
    assert undata(data("a tool", {"body": text})) == {"body": redacted(text)}


@pytest.mark.parametrize(
    "text",
    [
        "Rotate the API key: the old one expired",
        "password: required",
        "the token bucket of 100 tokens per second; token: refreshed",
        "Secret: payment-db-2 is mounted by the job",
        "monkey: 12345abcdef",
        "commit:4d7a9bce11aa22 keyed by id=4d7a9bce11",
        "bearer authentication was switched off",
        "risk-assessment-of-2026-for-the-checkout, task-0001-of-20000-in-the-queue",
        "http://grafana.example.org:3000/d/abc?x=1 and someone@example.org",
        'metric:rate(http_requests_total{pod="api-key-service-7f9c"}[5m])@1790769600',
        "runbook:runbooks/token/rotate-keys.md:12",
        "Asia and akin",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    """Prose, selectors, citations and addresses are evidence."""
    assert redacted(text) == text


def test_letters_of_all_alphabets_may_stand_before_a_secret() -> None:
    """A capital that becomes two letters in lower case moves nothing."""
    assert redacted("\u0130\u0130 password: c0rrect-horse, ja") == "\u0130\u0130 password: [secret], ja"


def test_a_secret_in_a_source_reaches_neither_prompt_nor_what_a_failure_keeps() -> None:
    """What a tool returns is shown to models through one door, and kept by failures through another."""
    from actors.session import _excerpt

    secret = SECRETS["a GitHub token"]

    assert secret not in data("read_incident", {"body": f"pushed with {secret}"})
    assert secret not in _excerpt({"body": f"pushed with {secret}"})
    assert secret not in _excerpt(f"pushed with {secret}")
    assert json.loads(_excerpt({"body": secret})) == {"body": "[secret]"}
