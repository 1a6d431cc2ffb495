"""What a preview would do, as a comment on a pull request: pure functions over the engine's events."""
