import pytest

pytest.importorskip("torchvision")
pytest.importorskip("segmentation_models_pytorch")

from .table import PAGE, page


@pytest.mark.slow
def test_the_page_of_models_is_what_registry_and_tests_say():
    assert PAGE.read_text() == page(), "run python -m tests.interop.models.table"
