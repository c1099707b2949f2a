// A convolution, or its input's gradient, where every channel is a group.

#ifndef DILAX_DEPTHWISE_H_
#define DILAX_DEPTHWISE_H_

#include <algorithm>
#include <vector>
#include "blocks.h"
#include "plan.h"

namespace dilax {

// kMany places times kVecs vectors of channels, each of which has a kernel of its own.
template <int kMany, int kVecs>
void DepthwiseBlock(const Term* terms, Index count, Index place, Index channel, Index x_step, float* y, Index y_step) {
  Vector sums[kMany][kVecs] = {};
  for (Index term = 0; term < count; ++term) {
    const float* x = terms[term].x + place * x_step + channel;
#pragma GCC unroll 4
    for (int vec = 0; vec < kVecs; ++vec) {
      const Vector weight = *reinterpret_cast<const Vector*>(terms[term].kernel + channel + vec * kLanes);
#pragma GCC unroll 8
      for (int one = 0; one < kMany; ++one)
        sums[one][vec] += *reinterpret_cast<const Vector*>(x + one * x_step + vec * kLanes) * weight;
    }
  }
  y += place * y_step + channel;
#pragma GCC unroll 8
  for (int one = 0; one < kMany; ++one)
    for (int vec = 0; vec < kVecs; ++vec)
      *reinterpret_cast<Vector*>(y + one * y_step + vec * kLanes) = sums[one][vec];
}

// A convolution or its input's gradient where every channel is a group.
class Depthwise {
 public:
  Depthwise(const Geometry& geometry, const float* x, const float* kernel, float* y, Index threads)
      : geometry_(geometry), x_(x), kernel_(kernel), y_(y), plan_(geometry, Band(threads)) {}

  Index tasks() const { return plan_.bands() * slices(); }

  // One band of the result times some of its channels.
  void Compute(Index task) const {
    const Index first = task % slices() * kSlice;
    Sum sum{*this, first, std::min(kSlice, geometry_.groups - first), std::vector<Term>(geometry_.taps()), 0};
    plan_.Visit(task / slices(), sum);
  }

 private:
  static constexpr Index kSlice = 512;

  struct Sum {
    const Depthwise& whole;
    Index first, channels;
    std::vector<Term> terms;
    Index count;

    void Meet(Index tap, Index place) {
      const Index pitch = whole.geometry_.groups;
      terms[count++] = {whole.x_ + place * pitch + first, whole.kernel_ + tap * pitch + first};
    }

    void Finish(Index place, Index places, Index) {
      const Axis& axis = whole.geometry_.axes[2];
      const Index pitch = whole.geometry_.groups;
      const Index x_step = axis.in_step() * pitch, y_step = axis.out_step() * pitch;
      float* y = whole.y_ + place * pitch + first;
      for (Index done = 0; done < places; done += 4) {
        const Index left = places - done;
        if (left >= 4) Channels<4>(done, x_step, y, y_step);
        if (left == 3) Channels<3>(done, x_step, y, y_step);
        if (left == 2) Channels<2>(done, x_step, y, y_step);
        if (left == 1) Channels<1>(done, x_step, y, y_step);
      }
      count = 0;
    }

    // All channels of a few places before the next places: they lie side by side.
    template <int kMany>
    void Channels(Index place, Index x_step, float* y, Index y_step) const {
      Index channel = 0;
      for (; channel + 2 * kLanes <= channels; channel += 2 * kLanes)
        DepthwiseBlock<kMany, 2>(terms.data(), count, place, channel, x_step, y, y_step);
      for (; channel + kLanes <= channels; channel += kLanes)
        DepthwiseBlock<kMany, 1>(terms.data(), count, place, channel, x_step, y, y_step);
      if (channel == channels) return;
      if (channels >= kLanes) {  // a last vector that ends with the channels and does some of them again
        DepthwiseBlock<kMany, 1>(terms.data(), count, place, channels - kLanes, x_step, y, y_step);
        return;
      }
      for (; channel < channels; ++channel) {
        for (Index one = place; one < place + kMany; ++one) {
          float total = 0;
          for (Index term = 0; term < count; ++term)
            total += terms[term].x[one * x_step + channel] * terms[term].kernel[channel];
          y[one * y_step + channel] = total;
        }
      }
    }
  };

  Index slices() const { return (geometry_.groups + kSlice - 1) / kSlice; }

  Index Band(Index threads) const {
    return std::max<Index>(64, std::min(kBand, geometry_.places() * slices() / (8 * threads)));
  }

  const Geometry geometry_;
  const float* x_;
  const float* kernel_;
  float* y_;
  Plan plan_;
};

}  // namespace dilax

#endif  // DILAX_DEPTHWISE_H_
