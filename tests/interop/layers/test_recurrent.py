import numpy as np
import pytest
import torch

from interop.testing import randomise

from .parity import check

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 8))  # few terms in each sum over the steps and the batch


SEQUENCES = [
    torch.nn.LSTM(8, 20, bidirectional=True),
    torch.nn.LSTM(8, 20, proj_size=6, batch_first=True, bias=False),
    torch.nn.GRU(8, 20, num_layers=2, batch_first=True),
    torch.nn.RNN(8, 20),
    torch.nn.RNN(8, 20, nonlinearity="relu", bidirectional=True, bias=False),
]


@pytest.mark.slow
@pytest.mark.parametrize("module", SEQUENCES, ids=str)
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_sequences(module):
    check(randomise(module), X)


@pytest.mark.parametrize("module", [torch.nn.GRUCell(8, 20), torch.nn.RNNCell(8, 20, nonlinearity="relu")], ids=str)
def test_cells(module):
    check(randomise(module), X[0], RNG.normal(size=(3, 20)))


def test_lstm_cell_from_zeros():
    check(randomise(torch.nn.LSTMCell(8, 20)), X[0])
