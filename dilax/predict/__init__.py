"""Inference on whole volumes: at once or in tiles, and what people look at afterwards."""

from .labels import predict_labels as predict_labels
from .picture import draw_labels as draw_labels
from .tiles import Tile as Tile
from .tiles import tiles as tiles
