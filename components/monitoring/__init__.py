"""What watches the models."""
