"""Brain tissue in the MNI152 average brain, which nilearn carries in its package."""

import numpy as np

from ..errors import MissingDependency
from .preprocessing import scale_quantiles
from .volumes import Slab, Volume

CLASS_NAMES = ("background", "grey matter", "white matter")

#: Coronal planes kept for evaluation. The template is symmetric left to right, so sagittal planes
#: would have their mirror image in training.
HELD_OUT = Slab(axis=1, start=44, stop=76)


def load_mni152() -> Volume:
    """Load the T1 template at 2 mm with one tissue class a voxel; nothing is downloaded.

    The class is the largest of grey matter, white matter, and what neither of the two accounts for.

    Returns:
        A volume of 99 x 117 x 95 voxels: left to right, back to front, bottom to top.

    Raises:
        MissingDependency: nilearn is not installed.

    Source: Fonov et al., "Unbiased average age-appropriate atlases for pediatric studies", 2011.
    """
    try:
        from nilearn import datasets
    except ImportError as error:
        raise MissingDependency("load_mni152", "nilearn", "demo") from error
    template = datasets.load_mni152_template(resolution=2)
    grey = np.asarray(datasets.load_mni152_gm_template(resolution=2).dataobj, np.float32)
    white = np.asarray(datasets.load_mni152_wm_template(resolution=2).dataobj, np.float32)
    return Volume(
        image=scale_quantiles(np.asarray(template.dataobj)),
        labels=np.argmax([1 - grey - white, grey, white], axis=0).astype(np.int32),
        affine=np.asarray(template.affine, np.float64),
        class_names=CLASS_NAMES,
    )
