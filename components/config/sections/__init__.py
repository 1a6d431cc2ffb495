"""The sections of a stack file, as pydantic models, one file for each area. Every default lives here, once.

Keys are camelCase in the file and snake_case in Python. Unknown keys are errors. The validation context may carry
`root` (pathlib.Path, the project's folder): with it, folders named by the configuration must exist.
"""

from components.config.sections.alerts import AlertsConfig, ReceiverConfig
from components.config.sections.base import Section
from components.config.sections.build import (
    ImageConfig,
    ImageSigningConfig,
    PullSecretConfig,
    QuantizationConfig,
    RegistryConfig,
    SigningConfig,
    SourceConfig,
)
from components.config.sections.capacity import CapacityCheck, PricesConfig, RolloutConfig
from components.config.sections.charts import ChartConfig, ChartName
from components.config.sections.cluster import Cluster, ClusterConfig, StackOutputConfig
from components.config.sections.docker import DockerConfig, LocalDatabaseConfig, LocalPrometheusConfig
from components.config.sections.gpu_support import GpuSupportConfig
from components.config.sections.logs import LogsConfig
from components.config.sections.model import ModelConfig, Models
from components.config.sections.monitoring import MonitoringConfig
from components.config.sections.network import (
    CanaryConfig,
    IngressConfig,
    ModelNetworkConfig,
    NetworkConfig,
    PeerConfig,
    RouteConfig,
    ServiceConfig,
)
from components.config.sections.pools import (
    AksPool,
    EksPool,
    ExistingPool,
    GkePool,
    GpuConfig,
    KarpenterPool,
    NodePoolConfig,
    StackPool,
)
from components.config.sections.resources import ResourcesConfig
from components.config.sections.runtime import ContainerConfig, ModelFilesConfig
from components.config.sections.scaling import BehaviorConfig, DisruptionBudgetConfig, ReplicasConfig, SpreadConfig
from components.config.sections.settings import (
    CertificatesFile,
    ConfigFileConfig,
    Database,
    DatabaseConfig,
    DatabaseTlsConfig,
    ExternalSecretConfig,
    IdentityConfig,
    ProxyConfig,
    SecretConfig,
    SecretRefConfig,
    Secrets,
    StackEnv,
)
from components.config.sections.slo import SloConfig

__all__ = [
    "AksPool",
    "AlertsConfig",
    "BehaviorConfig",
    "CanaryConfig",
    "CapacityCheck",
    "CertificatesFile",
    "ChartConfig",
    "ChartName",
    "Cluster",
    "ClusterConfig",
    "ConfigFileConfig",
    "ContainerConfig",
    "Database",
    "DatabaseConfig",
    "DatabaseTlsConfig",
    "DisruptionBudgetConfig",
    "DockerConfig",
    "EksPool",
    "ExistingPool",
    "ExternalSecretConfig",
    "GkePool",
    "GpuConfig",
    "GpuSupportConfig",
    "IdentityConfig",
    "ImageConfig",
    "ImageSigningConfig",
    "IngressConfig",
    "KarpenterPool",
    "LocalDatabaseConfig",
    "LocalPrometheusConfig",
    "LogsConfig",
    "ModelConfig",
    "ModelFilesConfig",
    "ModelNetworkConfig",
    "Models",
    "MonitoringConfig",
    "NetworkConfig",
    "NodePoolConfig",
    "PeerConfig",
    "PricesConfig",
    "ProxyConfig",
    "PullSecretConfig",
    "QuantizationConfig",
    "ReceiverConfig",
    "RegistryConfig",
    "ReplicasConfig",
    "ResourcesConfig",
    "RolloutConfig",
    "RouteConfig",
    "SecretConfig",
    "SecretRefConfig",
    "Secrets",
    "Section",
    "ServiceConfig",
    "SigningConfig",
    "SloConfig",
    "SourceConfig",
    "SpreadConfig",
    "StackEnv",
    "StackOutputConfig",
    "StackPool",
]
