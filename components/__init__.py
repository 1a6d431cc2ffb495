"""The Pulumi program: configuration, planning and component resources."""
