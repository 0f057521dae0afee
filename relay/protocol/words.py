"""English for messages that hold numbers."""


def counted(number: int, thing: str) -> str:
    """A number with its noun: "1 point", "2,000 points"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
