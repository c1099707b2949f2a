// A convolution, or its input's gradient.

#ifndef DILAX_CONVOLUTION_H_
#define DILAX_CONVOLUTION_H_

#include <algorithm>
#include <vector>
#include "blocks.h"
#include "packing.h"
#include "plan.h"

namespace dilax {

// The kernel of a convolution, or of its input's gradient, which sees it with its channels exchanged.
class Kernel {
 public:
  Kernel(const Geometry& geometry, const float* data) : geometry_(geometry), data_(data) {}

  // Some channels of one tap with the part's output channels side by side, zeros after the last.
  void Pack(Index tap, Index group, const Part& part, Index channel, Index channels, float* to) const {
    const Index width = part.vectors * kLanes, ours = geometry_.out_channels, theirs = geometry_.in_channels;
    if (geometry_.axes[0].transposed) {  // (taps, out, groups * in)
      const Index pitch = geometry_.groups * theirs;
      const float* from = data_ + (tap * ours + part.first) * pitch + group * theirs + channel;
      Transpose(from, pitch, part.lanes, channels, to, width);
      for (Index one = 0; one < channels; ++one)
        std::fill(to + one * width + part.lanes, to + (one + 1) * width, 0.0f);
    } else {  // (taps, in, groups * out)
      const Index pitch = geometry_.groups * ours;
      const float* from = data_ + (tap * theirs + channel) * pitch + group * ours + part.first;
      CopyRows(from, pitch, part.lanes, channels, to, width);
    }
  }

 private:
  const Geometry& geometry_;
  const float* data_;
};

class Convolution {
 public:
  Convolution(const Geometry& geometry, const float* x, const float* kernel, float* y, Index threads)
      : geometry_(geometry),
        x_(x),
        kernel_(geometry, kernel),
        y_(y),
        parts_(Parts(geometry.out_channels)),
        plan_(geometry, Band(threads)) {}

  Index tasks() const { return plan_.bands() * geometry_.groups * parts(); }

  // One band of the result times one part of its channels.
  void Compute(Index task) const {
    const Part& part = parts_[task % parts()];
    const Index group = task / parts() % geometry_.groups, band = task / parts() / geometry_.groups;
    const Index taps = geometry_.taps(), channels = geometry_.in_channels;
    // As many whole taps at a time as fit, or a part of one tap's channels.
    const Index depth = std::min(channels, kDepth);
    const Index together = std::min(taps, std::max<Index>(1, kDepth / channels));
    Packed packed(together * depth * part.vectors * kLanes);
    Sum sum{*this, part, group, {}, packed.data(), true, std::vector<Term>(together), 0};
    // The taps change faster, so that what they read of x is still in the second cache.
    for (Index channel = 0; channel < channels; channel += depth) {
      for (Index tap = 0; tap < taps; tap += together) {
        sum.chunk = {tap, std::min(tap + together, taps), channel, std::min(depth, channels - channel)};
        for (Index one = tap; one < sum.chunk.tap_end; ++one)
          kernel_.Pack(one, group, part, channel, sum.chunk.channels,
                       packed.data() + (one - tap) * sum.chunk.channels * part.vectors * kLanes);
        plan_.Visit(band, sum);
        sum.fresh = false;
      }
    }
  }

 private:
  struct Chunk {
    Index tap, tap_end, channel, channels;
  };

  // Adds a chunk's share to a band of the result.
  struct Sum {
    const Convolution& whole;
    const Part& part;
    Index group;
    Chunk chunk;
    const float* packed;
    bool fresh;
    std::vector<Term> terms;
    Index count;

    void Meet(Index tap, Index place) {
      if (tap < chunk.tap || tap >= chunk.tap_end) return;
      const Geometry& geometry = whole.geometry_;
      terms[count++] = {
          whole.x_ + place * geometry.in_pitch() + group * geometry.in_channels + chunk.channel,
          packed + (tap - chunk.tap) * chunk.channels * part.vectors * kLanes,
      };
    }

    void Finish(Index place, Index places) {
      const Geometry& geometry = whole.geometry_;
      const Axis& axis = geometry.axes[2];
      const Steps steps{axis.in_step() * geometry.in_pitch(), 1, part.vectors * kLanes,
                        axis.out_step() * geometry.out_pitch()};
      float* y = whole.y_ + place * geometry.out_pitch() + group * geometry.out_channels + part.first;
      if (count || fresh)
        Blocks(terms.data(), count, places, chunk.channels, steps, y, part.lanes, part.vectors, fresh);
      count = 0;
    }
  };

  Index parts() const { return static_cast<Index>(parts_.size()); }

  // As many places as the cache holds, but enough bands to keep all threads busy to the end.
  Index Band(Index threads) const {
    const Index fair = geometry_.places() * geometry_.groups * parts() / (8 * threads);
    const Index fitting = std::min(kBand, kBandReads / std::min(geometry_.in_channels, kDepth));
    return std::max<Index>(64, std::min(fair, fitting));
  }

  const Geometry& geometry_;
  const float* x_;
  Kernel kernel_;
  float* y_;
  std::vector<Part> parts_;
  Plan plan_;
};

}  // namespace dilax

#endif  // DILAX_CONVOLUTION_H_
