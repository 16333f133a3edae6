"""The fault run: everything that may break is broken, and nothing is lost."""
