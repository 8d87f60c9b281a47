"""The one error that the command line shows without a traceback."""


class UserError(ValueError):
    """Something in the input or the options is wrong; the message says what and what to do."""


class ReadingNote(UserWarning):
    """A file was read in a way that took a guess; the message says which."""
