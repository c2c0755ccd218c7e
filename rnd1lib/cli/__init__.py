"""`rnd1 ...`, one file a command. Text goes to stdout, all else to stderr; nothing here imports torch."""
