"""How much of a tool's result a model is shown."""


def cut_to(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, with a note where something was left out."""
    data = text.encode("utf-8")
    if len(data) <= limit:
        return text
    note = f"\n[cut: the result has {len(data)} bytes, the first {limit} are shown]"
    return data[:limit].decode("utf-8", "ignore") + note
