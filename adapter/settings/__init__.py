"""What the operator has chosen: by flag, environment, file or default, each value with where it came from."""
