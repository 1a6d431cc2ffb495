"""What the stand-ins for Pulumi's plugins share: the process that the engine starts, and how errors reach it."""
