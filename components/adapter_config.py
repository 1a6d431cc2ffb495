"""Print the configuration of prometheus-adapter with which autoscalers see the models' load.

`python -m components.adapter_config > config.yaml`: it is the same for all models and stacks of a cluster.
"""

import sys

import yaml

from components.planning.triggers import adapter_config

if __name__ == "__main__":
    yaml.safe_dump(adapter_config(), sys.stdout, sort_keys=False, width=120)
