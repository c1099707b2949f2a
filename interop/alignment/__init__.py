"""Find out which layer of a Flax model is which layer of a PyTorch module where their names disagree.

Names are not looked at. What is looked at, in this order:

1. *Layers.* On both sides, the layers that hold arrays, by the types that :mod:`interop.rules` pairs and by the
   shapes of their arrays in PyTorch's layout; and each array that a user's module holds without a layer. Both models
   must have equally many of each; otherwise those too many are listed (an alignment of both sequences in order of
   execution says which of several alike is meant).
2. *Data flow.* Which layer's output reaches which other without passing a third. In PyTorch every operation is seen
   as it runs, and tensors are followed by the memory that they occupy, through views and changes in place. In JAX the
   model is traced once; each layer's operations bear its number in their name stack, and values are followed through
   the jaxpr, also inside ``jit``, ``scan``, ``cond`` and ``checkpoint``. All that holds no arrays (activations,
   pools, sums, reshapes) is passed through, so it may be a layer on one side and a function on the other. The order
   of execution does not count.
3. *Colours.* Both graphs are coloured together by Weisfeiler and Leman's refinement: first by type and shapes of
   arrays, then by sizes of inputs and outputs, then again and again by the colours of the nodes before and behind.
   Where the two sides come to differ (the models compute the same by other ways) the colours before that are kept. A
   layer that is alone in its colour is matched.
4. *Numbers.* Of a colour that several layers share, the first layer in PyTorch's order is paired with each candidate
   in turn and the colours are refined again, so that what hangs on the choice follows from it. The Flax model is run
   with the layers matched so far; every layer with all that it depends on matched must give PyTorch's output, or the
   choice is dropped. For this the PyTorch module is a copy with random numbers (a model's own may be zeros, or equal
   in two layers). All choices are gone through, to see whether more than one table gives PyTorch's outputs: then it
   is refused.
5. *Proof.* A copy of the Flax model is filled through the table, with the PyTorch module's own numbers, and its
   outputs must agree with PyTorch's in float64 to a relative error of 1e-12.

Layers that the inputs do not reach have only their type and shapes to be told by; ``Alignment.not_run`` names them.
Layers inside ``nnx.jit``, ``nnx.scan`` and ``nnx.vmap`` are copies there and not seen, so that types, shapes and the
models' outputs alone tell them apart.

Source: Weisfeiler and Leman, "A reduction of a graph to a canonical form", 1968; the search is the individualisation
and refinement of McKay and Piperno, "Practical graph isomorphism, II", 2014.
"""

from dilax.errors import MissingDependency

try:
    import torch as torch
except ImportError as error:
    raise MissingDependency("align", "torch", "torch") from error

from .aligning import align as align
from .report import AlignedLayer as AlignedLayer
from .report import Alignment as Alignment
