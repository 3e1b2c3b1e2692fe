"""Files for others to run: SavedModel, LiteRT, ONNX."""
