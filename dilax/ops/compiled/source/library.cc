// Dilated convolutions of float32 arrays on a CPU, channels last, over one to three axes; and what stands beside them in
// models and XLA does slowly: sums in float64, and sums of an axis's samples (pooling, resizing).
//
// A convolution and its input's gradient are one computation here: each place of the result meets some taps, each at one
// place of the array that is read. Only what is met is computed, so padding costs nothing, and neither do the zeros that
// a stride puts between samples. A block of places along the last axis times a block of output channels is kept in
// registers while all taps and input channels are summed. Three taps along the last axis take fewer multiplications.

#include <algorithm>
#include <cstdint>
#include <memory>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "convolution.h"
#include "depthwise.h"
#include "depthwise_kernel_gradient.h"
#include "geometry.h"
#include "kernel_gradient.h"
#include "sampling.h"
#include "sums.h"
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

// Of fewer multiplications a thread is done before another has woken.
constexpr Index kWorth = 1 << 20;
// Of fewer additions too, since the numbers come from farther away.
constexpr Index kWorthAdding = 1 << 17;

bool IsSmall(const Geometry& geometry) {
  return geometry.places() * geometry.taps() * geometry.in_channels * geometry.out_pitch() < kWorth;
}

constexpr std::uintptr_t kLargePage = 1 << 21;

// Asks for large pages for a result of several: in fresh memory each page costs a fault when it is first written, which for
// small ones takes about as long as a convolution of 64 channels. (NumPy asks for the same.)
void Ready(Result& y) {
#if defined(MADV_HUGEPAGE)
  const auto begin = reinterpret_cast<std::uintptr_t>(y->untyped_data()), end = begin + y->size_bytes();
  const std::uintptr_t first = (begin + kLargePage - 1) / kLargePage * kLargePage, last = end / kLargePage * kLargePage;
  if (last > first + kLargePage) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
}

template <typename Computation>
Tasks Packings(const std::shared_ptr<Computation>& computation) {
  return {computation->packings(), [computation](Index packing) { computation->Pack(packing); }};
}

template <typename Computation>
Tasks All(const std::shared_ptr<Computation>& computation) {
  return {computation->tasks(), [computation](Index task) { computation->Compute(task); }};
}

ffi::Future Convolve(ffi::ThreadPool pool, ffi::Span<const Index> numbers, bool transposed, Array x, Array kernel,
                     Result y) {
  const Geometry geometry = Decode(numbers, transposed);
  const Index threads = std::max<Index>(1, pool.num_threads());
  const float *from = x.typed_data(), *weights = kernel.typed_data();
  float* to = y->typed_data();
  const bool alone = IsSmall(geometry);
  Ready(y);
  if (geometry.groups > 1 && geometry.in_channels == 1 && geometry.out_channels == 1)
    return Start(pool, alone, {All(std::make_shared<Depthwise>(geometry, from, weights, to, threads))});
  if (Winograd::Pays(geometry, threads)) {
    const auto computation = std::make_shared<Winograd>(geometry, from, weights, to, threads);
    return Start(pool, alone, {Packings(computation), All(computation)});
  }
  const auto computation = std::make_shared<Convolution>(geometry, from, weights, to, threads);
  return Start(pool, alone, {Packings(computation), All(computation)});
}

ffi::Future ConvolveKernelGradient(ffi::ThreadPool pool, ffi::Span<const Index> numbers, Array x, Array gradient,
                                   Result kernel) {
  const Geometry geometry = Decode(numbers, false);
  const Index threads = std::max<Index>(1, pool.num_threads());
  const float *from = x.typed_data(), *other = gradient.typed_data();
  float* to = kernel->typed_data();
  const bool alone = IsSmall(geometry);
  Ready(kernel);
  if (geometry.groups > 1 && geometry.in_channels == 1 && geometry.out_channels == 1) {
    const auto computation = std::make_shared<DepthwiseKernelGradient>(geometry, from, other, to, threads);
    const Tasks finish{geometry.taps(), [computation](Index tap) { computation->Finish(tap); }};
    return Start(pool, alone, {All(computation), finish});
  }
  const auto computation = std::make_shared<KernelGradient>(geometry, from, other, to, threads);
  if (!computation->additions()) return Start(pool, alone, {All(computation)});
  const Tasks finish{computation->additions(), [computation](Index tap) { computation->Finish(tap); }};
  return Start(pool, alone, {All(computation), finish});
}

ffi::Future Total(ffi::ThreadPool pool, ffi::Span<const Index> shape, Index count, Array x, Result y) {
  const auto computation =
      std::make_shared<Sums>(shape[0], shape[1], shape[2], count, x.typed_data(), y->typed_data());
  const Tasks finish{computation->results(), [computation](Index result) { computation->Finish(result); }};
  return Start(pool, x.element_count() < kWorthAdding, {All(computation), finish});
}

ffi::Future Sample(ffi::ThreadPool pool, ffi::Span<const Index> shape, Array x, ffi::Buffer<ffi::S32> places,
                   Array weights, Result y) {
  Ready(y);
  const Index taps = places.dimensions()[0], outputs = places.dimensions()[1];
  const auto computation =
      std::make_shared<Sampling>(shape[0], shape[1], shape[2], taps, outputs, x.typed_data(), places.typed_data(),
                                 weights.typed_data(), y->typed_data());
  const bool alone = std::max(x.element_count(), y->element_count()) < kWorthAdding;
  return Start(pool, alone, {All(computation)});
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

XLA_FFI_DEFINE_HANDLER_SYMBOL(DilaxTotal, Total,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Attr<ffi::Span<const Index>>("shape")
                                  .Attr<Index>("count")
                                  .Arg<Array>()
                                  .Ret<Array>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(DilaxSample, Sample,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Attr<ffi::Span<const Index>>("shape")
                                  .Arg<Array>()
                                  .Arg<ffi::Buffer<ffi::S32>>()
                                  .Arg<Array>()
                                  .Ret<Array>());
