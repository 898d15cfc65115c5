"""Credentials: a user name and a secret, and the type that keeps secrets out of sight."""
