"""What the stand-ins for Pulumi's plugins share: process, gRPC service, values, names, messages and errors."""
