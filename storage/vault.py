"""Rotated tokens and sessions, encrypted at rest."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from desk.errors import NeedsLogin


class Vault:
    """Encrypts with a key derived from `[desk] secret_key`, which may be any string."""

    def __init__(self, secret_key: str) -> None:
        if not secret_key:
            raise ValueError("secret_key is empty")
        derived = HKDF(SHA256(), length=32, salt=None, info=b"replydesk tokens 1").derive(secret_key.encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))

    def close(self, value: dict[str, Any]) -> bytes:
        return self._fernet.encrypt(json.dumps(value).encode())

    def open(self, name: str, secret: bytes) -> dict[str, Any]:
        """Raises NeedsLogin when it was encrypted with another key."""
        try:
            value: dict[str, Any] = json.loads(self._fernet.decrypt(secret))
        except InvalidToken as error:
            raise NeedsLogin(f"{name}: stored with another secret_key; log in again") from error
        return value
