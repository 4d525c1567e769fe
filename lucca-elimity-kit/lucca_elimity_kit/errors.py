"""The errors that a user or an administrator can fix."""


class ConnectorError(Exception):
    """An error we expect. Its message is safe to log and says what failed, where, and what to do.

    It never contains a setting's value, a record, or the words of another system.
    """


class SettingsError(ConnectorError):
    """A setting is missing, unknown, out of range or malformed; the message names it."""
