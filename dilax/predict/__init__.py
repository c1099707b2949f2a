"""Inference on whole volumes, at once or in tiles, and on images; and what people look at afterwards."""

from .images import ImagePrediction as ImagePrediction
from .images import predict_image as predict_image
from .labels import predict_labels as predict_labels
from .overlay import draw_overlay as draw_overlay
from .picture import draw_labels as draw_labels
from .tiles import Tile as Tile
from .tiles import tiles as tiles
