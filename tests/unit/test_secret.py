"""Secrets do not show themselves."""

import pickle

import pytest

from remjobs.credentials.credential import Credential
from remjobs.model.secret import Secret

CANARY = "canary-7f3a"


def test_a_secret_masks_itself_wherever_text_is_made():
    """repr, str, formatting, and inside a credential."""
    secret = Secret(CANARY)
    shown = [
        repr(secret),
        str(secret),
        f"{secret} {secret!r}",
        "%s" % secret,  # noqa: UP031 - that way too
        repr(Credential(user="u", password=secret)),
    ]
    assert not any(CANARY in text for text in shown)
    assert secret.reveal() == CANARY


def test_a_secret_cannot_be_pickled():
    """A pickle would carry it."""
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Secret(CANARY))


def test_secrets_compare_by_text_and_are_no_keys():
    """A dictionary of secrets would keep them."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    with pytest.raises(TypeError):
        hash(Secret("a"))
