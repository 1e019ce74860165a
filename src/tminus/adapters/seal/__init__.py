"""Signed heads: Ed25519 signatures over where a journal stood, kept apart from its database."""
