"""Keyed hashes: what stands for an id where the id itself must not stand."""

import hmac

HEX_DIGITS = 32
KEY_BYTES_MIN = 16


class KeyedHash:
    """HMAC-SHA256 under one key: who has the key can recognise an id, and nobody read it."""

    def __init__(self, key: bytes) -> None:
        """ValueError for a key that could be guessed."""
        if len(key) < KEY_BYTES_MIN:
            raise ValueError(f"the key has {len(key)} bytes, at least {KEY_BYTES_MIN} are needed")
        self._key = key
        self.id = self.of("key", "")[:8]
        """Tells this key from others."""

    def of(self, purpose: str, text: str) -> str:
        """The first 32 hex digits; another for each purpose."""
        message = f"{purpose}\0{text}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, message, "sha256").hex()[:HEX_DIGITS]
