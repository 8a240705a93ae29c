"""What people can type, apart from the rest so that drawing knows it too."""

COMMANDS = (
    "reply", "client", "note", "open", "case", "stats", "digest", "add", "stop_posting", "resume_posting", "help",
)  # fmt: skip
ALIASES = {"start": "help"}
