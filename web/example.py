"""Writes the page's example: a photo of Eileen Collins by NASA, public domain.

python web/example.py web/build/astronaut.png
"""

import sys

import skimage.data
from PIL import Image

Image.fromarray(skimage.data.astronaut()).save(sys.argv[1], optimize=True)
