"""How jobs and records look: text, folded, tables, JSON."""
