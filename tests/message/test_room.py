"""The room's face: what it offers is listed, sorted and there."""

from vagus import message


def test_everything_public_is_listed_sorted_and_there() -> None:
    constants = sorted(name for name in message.__all__ if name.isupper())
    classes = sorted(name for name in message.__all__ if name[0].isupper() and not name.isupper())
    functions = sorted(name for name in message.__all__ if name.islower())

    assert message.__all__ == [*constants, *classes, *functions]
    assert all(hasattr(message, name) for name in message.__all__)
