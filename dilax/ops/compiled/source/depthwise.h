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
void DepthwiseBlock(const Term* terms, Index count, Index x_step, float* y, Index y_step) {
  Vector sums[kMany][kVecs] = {};
  for (Index term = 0; term < count; ++term) {
#pragma GCC unroll 4
    for (int vec = 0; vec < kVecs; ++vec) {
      const Vector weight = *reinterpret_cast<const Vector*>(terms[term].kernel + vec * kLanes);
#pragma GCC unroll 8
      for (int place = 0; place < kMany; ++place)
        sums[place][vec] += *reinterpret_cast<const Vector*>(terms[term].x + place * x_step + vec * kLanes) * weight;
    }
  }
#pragma GCC unroll 8
  for (int place = 0; place < kMany; ++place)
    for (int vec = 0; vec < kVecs; ++vec)
      *reinterpret_cast<Vector*>(y + place * y_step + vec * kLanes) = sums[place][vec];
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
  static constexpr Index kSlice = 128;

  struct Sum {
    const Depthwise& whole;
    Index first, channels;
    std::vector<Term> terms;
    Index count;

    void Meet(Index tap, Index place) {
      const Index pitch = whole.geometry_.groups;
      terms[count++] = {whole.x_ + place * pitch + first, whole.kernel_ + tap * pitch + first};
    }

    void Finish(Index place, Index places) {
      const Axis& axis = whole.geometry_.axes[2];
      const Index pitch = whole.geometry_.groups;
      const Index x_step = axis.in_step() * pitch, y_step = axis.out_step() * pitch;
      float* y = whole.y_ + place * pitch + first;
      Index channel = 0;
      for (; channel + 2 * kLanes <= channels; channel += 2 * kLanes) {
        Places<2>(places, x_step, y + channel, y_step);
        Move(2 * kLanes);
      }
      for (; channel + kLanes <= channels; channel += kLanes) {
        Places<1>(places, x_step, y + channel, y_step);
        Move(kLanes);
      }
      for (; channel < channels; ++channel) {
        for (Index one = 0; one < places; ++one) {
          float total = 0;
          for (Index term = 0; term < count; ++term) total += terms[term].x[one * x_step] * *terms[term].kernel;
          y[one * y_step + channel] = total;
        }
        Move(1);
      }
      count = 0;
    }

    template <int kVecs>
    void Places(Index places, Index x_step, float* y, Index y_step) {
      constexpr int kMany = 4;
      std::vector<Term>& all = terms;
      Index done = 0;
      for (; done < places; done += kMany) {
        const Index left = places - done;
        float* to = y + done * y_step;
        if (left >= 4) DepthwiseBlock<4, kVecs>(all.data(), count, x_step, to, y_step);
        if (left == 3) DepthwiseBlock<3, kVecs>(all.data(), count, x_step, to, y_step);
        if (left == 2) DepthwiseBlock<2, kVecs>(all.data(), count, x_step, to, y_step);
        if (left == 1) DepthwiseBlock<1, kVecs>(all.data(), count, x_step, to, y_step);
        for (Index term = 0; term < count; ++term) all[term].x += kMany * x_step;
      }
      for (Index term = 0; term < count; ++term) all[term].x -= done * x_step;
    }

    void Move(Index channels) {
      for (Index term = 0; term < count; ++term) {
        terms[term].x += channels;
        terms[term].kernel += channels;
      }
    }
  };

  Index slices() const { return (geometry_.groups + kSlice - 1) / kSlice; }

  Index Band(Index threads) const {
    return std::max<Index>(64, std::min(kBand, geometry_.places() * slices() / (8 * threads)));
  }

  const Geometry& geometry_;
  const float* x_;
  const float* kernel_;
  float* y_;
  Plan plan_;
};

}  // namespace dilax

#endif  // DILAX_DEPTHWISE_H_
