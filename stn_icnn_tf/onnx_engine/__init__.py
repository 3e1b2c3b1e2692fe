"""Parsing photos by ONNX Runtime, NumPy and Pillow: no TensorFlow, no Keras."""
