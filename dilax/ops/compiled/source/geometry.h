// Which places of the array that is read each place of the result meets, and through which taps.

#ifndef DILAX_GEOMETRY_H_
#define DILAX_GEOMETRY_H_

#include <algorithm>
#include <cstdint>
#include <vector>

namespace dilax {

using Index = std::int64_t;

struct Meeting {
  Index tap, place;  // of the array that is read
};

struct Axis {
  Index in, out, taps, stride, before, dilation;
  bool transposed;

  // How far the place that is read moves when the place of the result moves by out_step().
  Index in_step() const { return transposed ? 1 : stride; }
  Index out_step() const { return transposed ? stride : 1; }

  std::vector<Meeting> Met(Index place) const {
    std::vector<Meeting> met;
    for (Index tap = 0; tap < taps; ++tap) {
      Index seen = transposed ? place + before - tap * dilation : place * stride + tap * dilation - before;
      if (transposed) {
        if (seen < 0 || seen % stride) continue;
        seen /= stride;
      }
      if (0 <= seen && seen < in) met.push_back({tap, seen});
    }
    return met;
  }
};

// Places of the last axis, out_step() apart, that meet the same taps.
struct Run {
  Index first, count;
  std::vector<Meeting> met;  // by the first place
};

// Not place by place: long axes would take longer than their convolution. A tap is met by a range of places, so that what
// is met changes only where such a range begins or ends.
std::vector<Run> Runs(const Axis& axis, Index longest) {
  struct Range {
    Index tap, first, last, seen;  // steps from the start, and the place that is read at the start
  };
  const auto upwards = [](Index one, Index other) { return one > 0 ? (one + other - 1) / other : 0; };
  const Index step = axis.out_step(), reading = axis.in_step();
  std::vector<Run> runs;
  for (Index start = 0; start < std::min(step, axis.out); ++start) {
    const Index count = upwards(axis.out - start, step);
    std::vector<Range> ranges;
    std::vector<Index> bounds{0, count};
    for (Index tap = 0; tap < axis.taps; ++tap) {
      Index seen = axis.transposed ? start + axis.before - tap * axis.dilation : tap * axis.dilation - axis.before;
      if (axis.transposed) {
        if (seen % axis.stride) continue;
        seen /= axis.stride;
      }
      const Index first = upwards(-seen, reading), last = std::min(count, upwards(axis.in - seen, reading));
      if (first >= last) continue;
      ranges.push_back({tap, first, last, seen});
      bounds.insert(bounds.end(), {first, last});
    }
    std::sort(bounds.begin(), bounds.end());
    for (std::size_t bound = 1; bound < bounds.size(); ++bound) {
      for (Index first = bounds[bound - 1]; first < bounds[bound]; first += longest) {
        Run run{start + first * step, std::min(longest, bounds[bound] - first), {}};
        for (const Range& range : ranges)
          if (range.first <= first && first < range.last) run.met.push_back({range.tap, range.seen + first * reading});
        runs.push_back(run);
      }
    }
  }
  return runs;
}

struct Geometry {
  Index batch, groups, in_channels, out_channels;  // channels of one group
  Axis axes[3];

  Index places() const { return batch * axes[0].out * axes[1].out * axes[2].out; }
  Index taps() const { return axes[0].taps * axes[1].taps * axes[2].taps; }
  Index in_pitch() const { return groups * in_channels; }
  Index out_pitch() const { return groups * out_channels; }
};

}  // namespace dilax

#endif  // DILAX_GEOMETRY_H_
