"""What an error of another library says, in a line that fits into ours."""


def first_line(error: BaseException) -> str:
    """The message without the stack traces that libraries append; the type where there is none."""
    return (str(error).splitlines() or [type(error).__name__])[0]
