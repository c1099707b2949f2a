// A convolution, or its input's gradient.

#ifndef DILAX_CONVOLUTION_H_
#define DILAX_CONVOLUTION_H_

#include <algorithm>
#include <vector>
#include "blocks.h"
#include "packing.h"
#include "plan.h"

namespace dilax {

class Convolution {
 public:
  Convolution(const Geometry& geometry, const float* x, const float* kernel, float* y, Index threads)
      : geometry_(geometry),
        x_(x),
        kernel_(kernel),
        y_(y),
        turned_(geometry.axes[0].transposed),
        parts_(Parts(geometry.out_channels)),
        bunch_(Bunch()),
        plan_(geometry, Band(threads)) {}

  Index tasks() const { return plan_.bands() * bunches() * parts(); }

  // One band of the result times one part of the channels of some groups.
  void Compute(Index task) const {
    const Part& part = parts_[task % parts()];
    const Index group = task / parts() % bunches() * bunch_, band = task / parts() / bunches();
    const Index groups = std::min(bunch_, geometry_.groups - group);
    const Index taps = geometry_.taps(), channels = geometry_.in_channels;
    // As many whole taps at a time as fit, or a part of one tap's channels.
    const Index depth = std::min(channels, kDepth);
    const Index together = std::min(taps, std::max<Index>(1, kDepth / channels));
    const Index size = together * depth * part.width();
    Packed packed(groups * size);
    Sum sum{*this, part, group, groups, size, {}, packed.data(), true, std::vector<Term>(together), 0};
    // The taps change faster, so that what they read of x is still in the second cache.
    for (Index channel = 0; channel < channels; channel += depth) {
      for (Index tap = 0; tap < taps; tap += together) {
        sum.chunk = {tap, std::min(tap + together, taps), channel, std::min(depth, channels - channel)};
        for (Index one = 0; one < groups; ++one) Pack(sum.chunk, group + one, part, packed.data() + one * size);
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
    Index group, groups, size;  // the first group, how many there are, and how much packed kernel each has
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
          packed + (tap - chunk.tap) * chunk.channels * part.width(),
      };
    }

    void Finish(Index place, Index places) {
      const Geometry& geometry = whole.geometry_;
      const Axis& axis = geometry.axes[2];
      const Steps steps{axis.in_step() * geometry.in_pitch(), 1, part.width(), axis.out_step() * geometry.out_pitch()};
      float* y = whole.y_ + place * geometry.out_pitch() + group * geometry.out_channels + part.first;
      // One group after the other writes a few numbers of each place, in steps that the machine does not foresee.
      if (groups > 1)
        for (Index one = 0; one < places; ++one)
          for (Index out = 0; out < groups * geometry.out_channels; out += 16)
            __builtin_prefetch(y + one * steps.y_place + out, 1);
      for (Index one = 0; one < groups && (count || fresh); ++one, y += geometry.out_channels) {
        Blocks(terms.data(), count, places, chunk.channels, steps, y, part, fresh);
        for (Index term = 0; term < count; ++term) {
          terms[term].x += geometry.in_channels - places * steps.x_place;
          terms[term].kernel += size;
        }
      }
      count = 0;
    }
  };

  Index parts() const { return static_cast<Index>(parts_.size()); }
  Index bunches() const { return (geometry_.groups + bunch_ - 1) / bunch_; }

  // Groups that are computed together, since finding what a place meets takes as long as a few channels: as many as
  // have their packed kernels in the cache.
  Index Bunch() const {
    const Index rows = geometry_.taps() * geometry_.in_channels;
    if (parts() > 1 || rows > kDepth) return 1;
    return std::clamp<Index>(kDepth * kBlock / (rows * parts_[0].width()), 1, geometry_.groups);
  }

  // As many places as the cache holds, but enough bands to keep all threads busy to the end.
  Index Band(Index threads) const {
    const Index fair = geometry_.places() * bunches() * parts() / (8 * threads);
    const Index fitting = std::min(kBand, kBandReads / std::min(geometry_.in_channels, kDepth));
    return std::max<Index>(64, std::min(fair, fitting));
  }

  // The chunk's part of the kernel with the part's output channels side by side, zeros after the last.
  void Pack(const Chunk& chunk, Index group, const Part& part, float* to) const {
    const Index width = part.width(), ours = geometry_.out_channels, theirs = geometry_.in_channels;
    for (Index tap = chunk.tap; tap < chunk.tap_end; ++tap, to += chunk.channels * width) {
      if (turned_) {  // the kernel is (taps, out, groups * in) as this computation sees it
        const Index pitch = geometry_.groups * theirs;
        const float* from = kernel_ + (tap * ours + part.first) * pitch + group * theirs + chunk.channel;
        Transpose(from, pitch, part.lanes, chunk.channels, to, width);
        for (Index channel = 0; channel < chunk.channels; ++channel)
          std::fill(to + channel * width + part.lanes, to + (channel + 1) * width, 0.0f);
      } else {  // (taps, in, groups * out)
        const Index pitch = geometry_.groups * ours;
        const float* from = kernel_ + (tap * theirs + chunk.channel) * pitch + group * ours + part.first;
        CopyRows(from, pitch, part.lanes, chunk.channels, to, width);
      }
    }
  }

  const Geometry& geometry_;
  const float* x_;
  const float* kernel_;
  float* y_;
  bool turned_;
  std::vector<Part> parts_;
  Index bunch_;
  Plan plan_;
};

}  // namespace dilax

#endif  // DILAX_CONVOLUTION_H_
