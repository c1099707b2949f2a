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

std::vector<Run> Runs(const Axis& axis, Index longest) {
  std::vector<Run> runs;
  for (Index start = 0; start < std::min(axis.out_step(), axis.out); ++start) {
    std::vector<Meeting> previous;
    bool open = false;
    for (Index place = start; place < axis.out; place += axis.out_step()) {
      std::vector<Meeting> met = axis.Met(place);
      const bool same = open && runs.back().count < longest && met.size() == previous.size() &&
                        std::equal(met.begin(), met.end(), previous.begin(),
                                   [](const Meeting& one, const Meeting& other) { return one.tap == other.tap; });
      if (same) {
        ++runs.back().count;
      } else {
        runs.push_back({place, 1, met});
        open = true;
      }
      previous = std::move(met);
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
