"""The input of training: augmentation and framing."""
