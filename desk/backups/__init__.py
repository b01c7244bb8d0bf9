"""Backups of the desk's database: pg_dump's archive with a manifest that says what must be in it."""
