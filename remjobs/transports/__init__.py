"""Transports: how work reaches a host and its output comes back."""
