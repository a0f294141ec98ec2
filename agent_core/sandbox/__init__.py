"""Isolated processes that run what nobody trusts."""
