"""The parts that a local stack is made of: found, downloaded or built."""
