// How the places of the result are divided among tasks.

#ifndef DILAX_PLAN_H_
#define DILAX_PLAN_H_

#include <algorithm>
#include <vector>
#include "geometry.h"
#include "vectors.h"

namespace dilax {

// What each place of the result meets, and how the places are divided among tasks.
class Plan {
 public:
  // Bands of at least `most` places.
  Plan(const Geometry& geometry, Index most) : geometry_(geometry), runs_(Runs(geometry.axes[2], kBand)) {
    for (int axis = 0; axis < 2; ++axis) {
      for (Index place = 0; place < geometry.axes[axis].out; ++place)
        met_[axis].push_back(geometry.axes[axis].Met(place));
      order_[axis] = Order(geometry.axes[axis]);
    }
    const Index units = geometry.batch * geometry.axes[0].out * geometry.axes[1].out * runs();
    Index places = 0;
    bands_.push_back(0);
    for (Index unit = 0; unit < units; ++unit) {
      places += runs_[unit % runs()].count;
      if (places >= most || unit + 1 == units) {
        bands_.push_back(unit + 1);
        places = 0;
      }
    }
  }

  Index bands() const { return static_cast<Index>(bands_.size()) - 1; }

  // The taps that any place meets: with a dilation as long as the axes that is one of nine.
  std::vector<Index> Taps() const {
    std::vector<bool> met[3];
    for (int axis = 0; axis < 3; ++axis) met[axis].resize(geometry_.axes[axis].taps);
    const auto mark = [&](int axis, const std::vector<Meeting>& meetings) {
      for (const Meeting& one : meetings) met[axis][one.tap] = true;
    };
    for (int axis = 0; axis < 2; ++axis)
      for (const std::vector<Meeting>& meetings : met_[axis]) mark(axis, meetings);
    for (const Run& run : runs_) mark(2, run.met);
    std::vector<Index> taps;
    for (Index tap = 0; tap < geometry_.taps(); ++tap) {
      const Index line = tap / geometry_.axes[2].taps;
      if (met[0][line / geometry_.axes[1].taps] && met[1][line % geometry_.axes[1].taps] &&
          met[2][tap % geometry_.axes[2].taps])
        taps.push_back(tap);
    }
    return taps;
  }

  // For each run of a band: visitor.Meet(tap, place that is read) for all that the run's first place meets, then
  // visitor.Finish(that place, how many places the run has, how many of the band came before).
  template <typename Visitor>
  void Visit(Index band, Visitor&& visitor) const {
    const Axis* axes = geometry_.axes;
    Index done = 0;
    for (Index unit = bands_[band]; unit < bands_[band + 1]; ++unit) {
      const Run& run = runs_[unit % runs()];
      Index row = unit / runs();
      const Index height = order_[1][row % axes[1].out];
      row /= axes[1].out;
      const Index depth = order_[0][row % axes[0].out], sample = row / axes[0].out;
      for (const Meeting& plane : met_[0][depth]) {
        for (const Meeting& line : met_[1][height]) {
          const Index tap = (plane.tap * axes[1].taps + line.tap) * axes[2].taps;
          const Index place = ((sample * axes[0].in + plane.place) * axes[1].in + line.place) * axes[2].in;
          for (const Meeting& one : run.met) visitor.Meet(tap + one.tap, place + one.place);
        }
      }
      visitor.Finish(((sample * axes[0].out + depth) * axes[1].out + height) * axes[2].out + run.first, run.count, done);
      done += run.count;
    }
  }

 private:
  // The places of an axis so that those one behind the other read the same places through different taps: with dilation
  // every so many-th.
  static std::vector<Index> Order(const Axis& axis) {
    std::vector<Index> order;
    const Index phases = axis.stride == 1 ? axis.dilation : 1;
    for (Index phase = 0; phase < std::min(phases, axis.out); ++phase)
      for (Index place = phase; place < axis.out; place += phases) order.push_back(place);
    return order;
  }

  Index runs() const { return static_cast<Index>(runs_.size()); }

  const Geometry geometry_;
  std::vector<Run> runs_;
  std::vector<std::vector<Meeting>> met_[2];
  std::vector<Index> order_[2];
  std::vector<Index> bands_;
};

}  // namespace dilax

#endif  // DILAX_PLAN_H_
