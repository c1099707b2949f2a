import re

import pytest

pytest.importorskip("torch.testing._internal.common_modules")

from .table import PAGE, page


def test_the_page_of_layers_is_what_rules_and_tests_say():
    assert PAGE.read_text() == page(), "run python tests/interop/layers/table.py"


def test_every_layer_is_compared():
    rows = re.findall(r"^\| (.*) \| (.*) \| (.*) \|$", PAGE.read_text(), re.MULTILINE)[2:]
    assert not [name for _, name, compared in rows if not compared]
