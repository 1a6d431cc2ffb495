"""A stand-in for the official `pulumi-resource-docker`, for machines that cannot get it.

As toolchain/kubernetes_plugin, it is used only where the official plugin is neither installed nor downloadable. It has
three kinds, over the API of the Docker Engine: Network, Volume and Container, created, waited for until they are
healthy, replaced for every change of a container, read and deleted. What else the official plugin takes is refused by
name. Run as `python -m toolchain.docker_plugin ENGINE_ADDRESS`; it prints the port it listens on.
"""
