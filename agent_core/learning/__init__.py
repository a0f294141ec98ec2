"""Proposing programs and improving the policy."""
