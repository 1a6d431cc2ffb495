"""Errors that are the user's to fix."""


class UserError(Exception):
    """Something in the user's hands is wrong; the text says what, where, what is allowed and how to fix it."""
