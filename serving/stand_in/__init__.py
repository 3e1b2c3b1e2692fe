"""A stand-in for TensorFlow Serving, for tests and load; not for production.

It runs real SavedModels the way the server does, and speaks the parts of the
server's two interfaces that our clients use: gRPC by the official stubs, and REST of
the documented form. `python -m serving.stand_in --help`
"""

from serving.stand_in.models import LoadedModel, LoadedVersion
from serving.stand_in.servers import Ports, serve

__all__ = ["LoadedModel", "LoadedVersion", "Ports", "serve"]
