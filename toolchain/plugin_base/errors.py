"""Errors that are for the person who runs `pulumi`."""


class PluginError(Exception):
    """An error whose message is shown to the user as it is."""
