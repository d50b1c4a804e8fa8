"""What bodies hold: JSON, arrays, tensors, events; bytes to Python values and back. Nothing here does I/O."""
