"""How the tests script `kijun-sim`: directives in a message, one to a line."""

CHAT = "scripted"
EMBEDDING = "scripted-embedding"
MODERATION = "scripted-moderation"
NARROW = "narrow"
# Has a target of its own, so that no breaker opens for the others.
FAILING = "failing"
METERED = "metered"
METERED_EMBEDDING = "metered-embedding"


def ask(*lines: str) -> list[dict]:
    """A conversation of one user message."""
    return [{"role": "user", "content": "\n".join(lines)}]
