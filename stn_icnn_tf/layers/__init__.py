"""Keras layers: the interlinked CNN, the localization network, the learned crop."""
