// Dilated convolutions of float32 arrays on a CPU, channels last, over one to three axes.
//
// A convolution and its input's gradient are one computation here: each place of the result meets some taps, each at one
// place of the array that is read. Only what is met is computed, so padding costs nothing, and neither do the zeros that
// a stride puts between samples. A block of places along the last axis times a block of output channels is kept in
// registers while all taps and input channels are summed. Three taps along the last axis take fewer multiplications.

#include <algorithm>

#include "convolution.h"
#include "depthwise.h"
#include "geometry.h"
#include "kernel_gradient.h"
#include "threads.h"
#include "winograd.h"
#include "xla/ffi/api/ffi.h"

namespace {

using namespace dilax;
namespace ffi = xla::ffi;

Geometry Decode(ffi::Span<const Index> numbers, bool transposed) {
  Geometry geometry{numbers[0], numbers[1], numbers[2], numbers[3], {}};
  for (int axis = 0; axis < 3; ++axis) {
    const Index* from = numbers.begin() + 4 + 6 * axis;
    geometry.axes[axis] = {from[0], from[1], from[2], from[3], from[4], from[5], transposed};
  }
  return geometry;
}

using Array = ffi::Buffer<ffi::F32>;
using Result = ffi::Result<Array>;

ffi::Error Convolve(ffi::ThreadPool pool, ffi::Span<const Index> numbers, bool transposed, Array x, Array kernel,
                    Result y) {
  const Geometry geometry = Decode(numbers, transposed);
  auto run = [&](const auto& computation) {
    ForEach(pool, computation.tasks(), [&](Index task) { computation.Compute(task); });
  };
  const Index threads = std::max<Index>(1, pool.num_threads());
  const float *from = x.typed_data(), *weights = kernel.typed_data();
  if (geometry.groups > 1 && geometry.in_channels == 1 && geometry.out_channels == 1) {
    run(Depthwise(geometry, from, weights, y->typed_data(), threads));
  } else if (Winograd::Pays(geometry, threads)) {
    const Winograd computation(geometry, from, weights, y->typed_data(), threads);
    ForEach(pool, computation.packings(), [&](Index packing) { computation.Pack(packing); });
    run(computation);
  } else {
    run(Convolution(geometry, from, weights, y->typed_data(), threads));
  }
  return ffi::Error::Success();
}

ffi::Error ConvolveKernelGradient(ffi::ThreadPool pool, ffi::Span<const Index> numbers, Array x, Array gradient,
                                  Result kernel) {
  const Geometry geometry = Decode(numbers, false);
  const KernelGradient computation(geometry, x.typed_data(), gradient.typed_data(), kernel->typed_data(),
                                   std::max<Index>(1, pool.num_threads()));
  ForEach(pool, computation.tasks(), [&](Index task) { computation.Compute(task); });
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(DilaxConvolve, Convolve,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Attr<ffi::Span<const Index>>("geometry")
                                  .Attr<bool>("transposed")
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Ret<Array>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(DilaxConvolveKernelGradient, ConvolveKernelGradient,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Attr<ffi::Span<const Index>>("geometry")
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Ret<Array>());
