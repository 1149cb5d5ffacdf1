"""How the tests script `kijun-sim`: directives in a message, one to a line."""

CHAT = "scripted"
EMBEDDING = "scripted-embedding"
MODERATION = "scripted-moderation"
NARROW = "narrow"
# Has a target of its own, so that no breaker opens for the others.
FAILING = "failing"
METERED = "metered"
METERED_EMBEDDING = "metered-embedding"

# A tool as the Responses API writes it.
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


def ask(*lines: str) -> list[dict]:
    """A conversation of one user message."""
    return [{"role": "user", "content": "\n".join(lines)}]
