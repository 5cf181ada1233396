"""Third-party files: what exists, looking it up, getting it, reading it."""
