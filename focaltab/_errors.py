"""What an error of another library says, in a line that fits into ours."""


def first_line(error: BaseException) -> str:
    """The message without the stack traces that libraries append; the type where there is none."""
    lines = (line for line in str(error).splitlines() if line.strip())
    return next(lines, type(error).__name__)
