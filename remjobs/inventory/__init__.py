"""Inventories: files that say which hosts and groups there are, and what selects from them."""
