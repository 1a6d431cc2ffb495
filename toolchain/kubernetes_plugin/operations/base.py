"""What all operations share."""

import asyncio
import traceback
from dataclasses import dataclass
from typing import Final

from toolchain.plugin_base.engine import Reporter
from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.values import Object

from .. import awaits
from ..cluster import Cluster
from ..naming import Kind

CRD: Final = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
VERIFY_CRDS: Final = (
    "failed because the Kubernetes API server reported that the apiVersion for this resource does not exist. "
    "Verify that any required CRDs have been created"
)


@dataclass(frozen=True)
class Operation:
    """One operation of the engine on one resource.

    Attributes:
        urn: the resource.
        cluster: where it lives.
        reporter: told about progress.
        cancelled: set when the user wants the operation to end.
        timeout: patience in seconds for readiness or deletion; 0 for the object's own or the default.
        preview: whether to compute only.
        force: whether to take fields from other managers.
    """

    urn: str
    cluster: Cluster
    reporter: Reporter
    cancelled: asyncio.Event
    timeout: float = 0.0
    preview: bool = False
    force: bool = False

    async def ready(self, inputs: Object, live: Object) -> Object:
        """Wait until an applied object is ready and return it as it then is.

        Raises:
            PluginError: it is not ready, mostly `NotReady`. Nothing else is raised: the object exists, and the state
                has to know it whatever happens here.
        """
        tracker = awaits.tracker_for(inputs, live)
        if tracker is None:
            return live
        patience = awaits.timeout(self.timeout, inputs)
        try:
            return await awaits.wait(self.cluster, tracker, self.reporter, self.cancelled, patience)
        except PluginError:
            raise
        except Exception as error:
            traceback.print_exc()
            raise PluginError(f"bug in the Kubernetes plugin ({type(error).__name__}: {error})") from error

    async def latest(self, live: Object) -> Object:
        """The object as it is now, or as it was if it cannot be had; for the state after a failure."""
        try:
            return await self.cluster.get(live)
        except PluginError:
            return live  # the error that brought us here is the one to tell
