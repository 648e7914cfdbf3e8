"""How well an image tokenizer paints what it has read. See `omma.evaluation.reconstruction.measure`."""
