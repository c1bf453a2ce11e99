"""What is released, installed as people install it."""
