"""Copies between this machine and a host, the same for every way to reach its files."""
