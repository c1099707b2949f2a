// The kernel's gradient where every channel is a group.

#ifndef DILAX_DEPTHWISE_KERNEL_GRADIENT_H_
#define DILAX_DEPTHWISE_KERNEL_GRADIENT_H_

#include <algorithm>
#include <vector>
#include "kernel_gradient.h"
#include "packing.h"

namespace dilax {

// Sums of sums of sums: of the products of a piece of a row, of a band's pieces, and of the bands.
class DepthwiseKernelGradient {
 public:
  // The geometry is the forward convolution's: x is read, gradient has the places of its result.
  DepthwiseKernelGradient(const Geometry& geometry, const float* x, const float* gradient, float* kernel, Index threads)
      : geometry_(geometry),
        x_(x),
        gradient_(gradient),
        kernel_(kernel),
        ranges_(Ranges(geometry.axes[2])),
        pieces_((geometry.axes[2].out + kPlaces - 1) / kPlaces),
        units_(geometry.batch * geometry.axes[0].out * geometry.axes[1].out * pieces_),
        slices_((geometry.groups + kSlice - 1) / kSlice),
        bands_(std::clamp<Index>((8 * threads + slices_ - 1) / slices_, 1, units_)),
        sums_(bands_ * geometry.taps() * geometry.groups) {
    for (int axis = 0; axis < 2; ++axis)
      for (Index place = 0; place < geometry.axes[axis].out; ++place)
        met_[axis].push_back(geometry.axes[axis].Met(place));
  }

  Index tasks() const { return bands_ * slices_; }

  // The sums of one band of pieces, of some channels.
  void Compute(Index task) const {
    const Axis* axes = geometry_.axes;
    const Index band = task / slices_, first = task % slices_ * kSlice, pitch = geometry_.groups;
    const Index channels = std::min(kSlice, pitch - first);
    float* sums = sums_.data() + band * geometry_.taps() * pitch + first;
    for (Index tap = 0; tap < geometry_.taps(); ++tap) std::fill_n(sums + tap * pitch, channels, 0.0f);
    for (Index unit = units_ * band / bands_; unit < units_ * (band + 1) / bands_; ++unit) {
      const Index row = unit / pieces_, start = unit % pieces_ * kPlaces, end = std::min(axes[2].out, start + kPlaces);
      const Index height = row % axes[1].out, plane = row / axes[1].out;
      const Index depth = plane % axes[0].out, sample = plane / axes[0].out;
      for (const Meeting& one : met_[0][depth]) {
        for (const Meeting& line : met_[1][height]) {
          const Index read = ((sample * axes[0].in + one.place) * axes[1].in + line.place) * axes[2].in;
          float* to = sums + (one.tap * axes[1].taps + line.tap) * axes[2].taps * pitch;
          for (const TapRange& range : ranges_) {
            const Index begin = std::max(start, range.first), count = std::min(end, range.last) - begin;
            const Index seen = range.seen + (begin - range.first) * axes[2].stride;
            if (count > 0)
              Add(gradient_ + (row * axes[2].out + begin) * pitch + first, x_ + (read + seen) * pitch + first, count,
                  channels, to);
            to += pitch;
          }
        }
      }
    }
  }

  // Adds up the bands' sums of one tap. After all tasks.
  void Finish(Index tap) const {
    const Index pitch = geometry_.groups, size = geometry_.taps() * pitch;
    float* to = kernel_ + tap * pitch;
    const float* from = sums_.data() + tap * pitch;
    std::copy_n(from, pitch, to);
    for (Index band = 1; band < bands_; ++band)
      for (Index channel = 0; channel < pitch; ++channel) to[channel] += from[band * size + channel];
  }

 private:
  static constexpr int kVecs = 4;
  static constexpr Index kSlice = kVecs * kLanes;

  // to[channel] += sum over places of g * x
  void Add(const float* g, const float* x, Index count, Index channels, float* to) const {
    Index channel = 0;
    for (; channel + kSlice <= channels; channel += kSlice) Vectors<kLanes, kVecs>(g, x, count, channel, to);
    for (; channel + kLanes <= channels; channel += kLanes) Vectors<kLanes, 1>(g, x, count, channel, to);
    for (; channel + 4 <= channels; channel += 4) Vectors<4, 1>(g, x, count, channel, to);
    for (; channel < channels; ++channel) Vectors<1, 1>(g, x, count, channel, to);
  }

  template <int kWide, int kMany>
  void Vectors(const float* g, const float* x, Index count, Index channel, float* to) const {
    using Vector = typename VectorOf<kWide>::Type;
    const Index pitch = geometry_.groups, x_step = geometry_.axes[2].stride * pitch;
    // A single vector's sums wait for one another: there are four, of every fourth place.
    constexpr int kSplit = kMany == 1 ? 4 : 1;
    Vector sums[kSplit][kMany] = {};
    g += channel;
    x += channel;
    const auto add = [&](Vector(&into)[kMany]) __attribute__((always_inline)) {
#pragma GCC unroll 4
      for (int vec = 0; vec < kMany; ++vec)
        into[vec] += *reinterpret_cast<const Vector*>(g + vec * kWide) * *reinterpret_cast<const Vector*>(x + vec * kWide);
      g += pitch;
      x += x_step;
    };
    Index place = 0;
    for (; place + kSplit <= count; place += kSplit) {
#pragma GCC unroll 4
      for (int split = 0; split < kSplit; ++split) add(sums[split]);
    }
    for (; place < count; ++place) add(sums[0]);
    for (int vec = 0; vec < kMany; ++vec) {
      for (int split = 1; split < kSplit; ++split) sums[0][vec] += sums[split][vec];
      Vector* into = reinterpret_cast<Vector*>(to + channel + vec * kWide);
      *into = *into + sums[0][vec];
    }
  }

  const Geometry geometry_;
  const float* x_;
  const float* gradient_;
  float* kernel_;
  const std::vector<TapRange> ranges_;
  const Index pieces_, units_, slices_, bands_;
  const Packed sums_;
  std::vector<std::vector<Meeting>> met_[2];
};

}  // namespace dilax

#endif  // DILAX_DEPTHWISE_KERNEL_GRADIENT_H_
