"""What the cluster's functions raise."""


class ClusterError(Exception):
    """A failure of the local cluster. Its text is meant for the user as it stands: what, where, and what to do."""
