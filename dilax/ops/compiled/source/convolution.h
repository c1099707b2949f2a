// A convolution, or its input's gradient.

#ifndef DILAX_CONVOLUTION_H_
#define DILAX_CONVOLUTION_H_

#include <algorithm>
#include <optional>
#include <vector>
#include "blocks.h"
#include "packing.h"
#include "plan.h"

namespace dilax {

// The kernel of a convolution, or of its input's gradient, which sees it with its channels exchanged.
class Kernel {
 public:
  Kernel(const Geometry& geometry, const float* data) : geometry_(geometry), data_(data) {}

  // Some channels of one tap with the part's output channels side by side, zeros after the last; of more channels than a
  // group has, those of the groups after it too.
  void Pack(Index tap, Index group, const Part& part, Index channel, Index channels, float* to) const {
    const Index width = part.width(), ours = geometry_.out_channels, theirs = geometry_.in_channels;
    if (geometry_.axes[0].transposed) {  // (taps, out, groups * in)
      const Index pitch = geometry_.groups * theirs;
      const float* from = data_ + (tap * ours + part.first) * pitch + group * theirs + channel;
      const Index lanes = std::min(part.lanes, ours);
      for (Index first = 0; first < part.lanes; first += lanes, from += theirs)
        Transpose(from, pitch, lanes, channels, to + first, width);
      for (Index one = 0; one < channels; ++one)
        std::fill(to + one * width + part.lanes, to + (one + 1) * width, 0.0f);
    } else {  // (taps, in, groups * out)
      const Index pitch = geometry_.groups * ours;
      const float* from = data_ + (tap * theirs + channel) * pitch + group * ours + part.first;
      CopyRows(from, pitch, part.lanes, channels, to, width);
    }
  }

 private:
  const Geometry geometry_;
  const float* data_;
};

// Of so many products, how many are summed before their sum is added to the others': adding takes time.
inline Index Summed(Index products) { return std::clamp<Index>(products / 4, kSummed / 8, kSummed * 3 / 4); }

// Of so many input channels, how many are summed at a time: a multiple of kSummed, or fewer.
inline Index Depth(Index channels) {
  return channels < kSummed ? channels : std::min(channels, kDepth) / kSummed * kSummed;
}

// The share of some taps and some input channels in a convolution. The channels are a multiple of kSummed, or fewer.
struct Chunk {
  Index tap, tap_end, channel, channels;
};

// How many groups are computed together, and the steps from one to the next.
struct Bunch {
  Index groups, x, kernel, y;
};

// Adds a chunk's share to a band of a result.
template <typename Read>
struct Sum {
  const Read& read;  // where a place's channels begin
  const Part& part;
  Bunch bunch;
  Steps steps;
  float* y;
  Index y_pitch;
  bool apart;  // the band's places one behind the other, not where they are in the result
  Chunk chunk;
  const float* kernel;  // packed, from the chunk's first tap and channel on
  Index kernel_tap;     // the step from tap to tap
  bool fresh;
  Index summed;  // products that are summed before their sum is added to others
  std::vector<Term> terms;
  Columns columns;
  Index ahead = 0;  // from the last row that is read to the next, if it is worth fetching
  Index count = 0;

  void Meet(Index tap, Index place) {
    if (tap < chunk.tap || tap >= chunk.tap_end) return;
    const float *x = read(place) + chunk.channel, *weights = kernel + (tap - chunk.tap) * kernel_tap;
    for (Index channel = 0; channel < chunk.channels; channel += kSummed)
      terms[count++] = {x + channel * steps.x_channel, weights + channel * steps.kernel_channel};
  }

  void Finish(Index place, Index places, Index done) {
    float* to = y + (apart ? done : place) * y_pitch;
    // The machine foresees neither the steps in which groups, or one vector of a place, are written nor the next row.
    if (bunch.groups > 1 || ahead)
      for (Index one = 0; one < places; ++one)
        for (Index out = 0; out < bunch.groups * bunch.y; out += 16)
          __builtin_prefetch(to + one * steps.y_place + out, 1);
    if (ahead && count) {
      const float* next = std::max(terms[0].x, terms[count - 1].x) + ahead;
      for (Index one = 0; one < places * steps.x_place; one += 16) __builtin_prefetch(next + one);
    }
    const Index channels = std::min(chunk.channels, kSummed);
    const Index together = std::max<Index>(1, (summed + channels / 2) / channels);
    for (Index one = 0; one < bunch.groups && (count || fresh); ++one, to += bunch.y) {
      Blocks(terms.data(), count, together, places, channels, steps, to, part, fresh, columns);
      for (Index term = 0; term < count; ++term) {
        terms[term].x += bunch.x;
        terms[term].kernel += bunch.kernel;
      }
    }
    count = 0;
  }
};

class Convolution {
 public:
  Convolution(const Geometry& geometry, const float* x, const float* kernel, float* y, Index threads)
      : geometry_(geometry),
        x_(x),
        kernel_(geometry, kernel),
        y_(y),
        joined_(Joined()),
        parts_(Parts(joined_ * geometry.out_channels)),
        together_(Together()),
        whole_(Whole(threads)),
        row_(Row()),
        plan_(Widened(), Band(threads)),
        taps_(plan_.Taps()),
        packed_(geometry.groups > 1 ? 0 : geometry.taps() * geometry.in_channels * (geometry.out_channels + kLanes)) {
    const Index channels = geometry.groups > 1 ? 0 : geometry.in_channels;
    for (Index first = 0; first < channels; first += Depth(channels - first)) chunks_.push_back(first);
  }

  // Without groups every band reads the same kernel, so it is packed once. All are to be done before any task.
  Index packings() const { return static_cast<Index>(chunks_.size() * taps_.size()); }

  // Packs some input channels of one tap.
  void Pack(Index packing) const {
    const Index taps = static_cast<Index>(taps_.size()), tap = taps_[packing % taps], channel = chunks_[packing / taps];
    const Index channels = Depth(geometry_.in_channels - channel);
    // A few rows for all parts before the next rows, so that what is read lies in the first cache.
    for (Index row = 0; row < channels; row += kRows)
      for (const Part& part : parts_)
        kernel_.Pack(tap, 0, part, channel + row, std::min(kRows, channels - row),
                     AllPacked(part, channel) + (tap * channels + row) * part.width());
  }

  Index tasks() const { return plan_.bands() * bunches() * shares(); }

  // One band of the result times one part, or all, of the channels of some groups.
  void Compute(Index task) const {
    const Index group = task / shares() % bunches() * together_ * joined_, band = task / shares() / bunches();
    if (!whole_) return Compute(band, group, parts_[task % parts()]);
    for (const Part& part : parts_) Compute(band, group, part);
  }

 private:
  static constexpr Index kRows = 32;
  // Numbers of a kernel that the second cache holds beside a band.
  static constexpr Index kHeld = 1 << 17;

  void Compute(Index band, Index group, const Part& part) const {
    const Index taps = geometry_.taps(), channels = geometry_.in_channels, width = part.width();
    const Index in_pitch = geometry_.in_pitch(), out_pitch = geometry_.out_pitch();
    // As many whole taps at a time as fit, of a narrow part twice as many, or a part of one tap's channels.
    const Index depth = Depth(channels);
    const Index row = geometry_.axes[2].taps, fitting = std::max<Index>(1, kDepth * (part.vectors > 1 ? 1 : 2) / depth);
    const Index together = std::min(taps, fitting > row ? fitting / row * row : fitting);
    const Bunch bunch{std::min(together_, (geometry_.groups - group) / joined_), joined_ * channels,
                      together * depth * width, joined_ * geometry_.out_channels};
    Packed packed(chunks_.empty() ? bunch.groups * bunch.kernel : 0);
    const Axis& axis = geometry_.axes[2];
    const auto read = [&](Index place) {
      if (row_) place = place / row_->axis.in * axis.in + place % row_->axis.in - row_->before;
      return x_ + place * in_pitch + group * channels;
    };
    const Columns columns = row_ ? Columns{-row_->before, axis.in} : Columns{};
    const Index ahead = row_ && geometry_.groups == 1 ? geometry_.axes[1].dilation * axis.in * in_pitch : 0;
    Sum<decltype(read)> sum{read, part, bunch, {axis.in_step() * in_pitch, 1, width, axis.out_step() * out_pitch,
                             joined_ > 1 ? channels : 0},
                            y_ + group * geometry_.out_channels + part.first, out_pitch, false, {}, packed.data(), 0, true,
                            Summed(taps * channels),
                            std::vector<Term>(together * ((depth + kSummed - 1) / kSummed)), columns, ahead};
    // The taps change faster, so that what they read of x is still in the second cache.
    for (Index channel = 0; channel < channels; channel += sum.chunk.channels) {
      for (Index tap = 0; tap < taps; tap += together) {
        sum.chunk = {tap, std::min(tap + together, taps), channel, Depth(channels - channel)};
        sum.kernel_tap = sum.chunk.channels * width;
        if (!chunks_.empty())
          sum.kernel = AllPacked(part, channel) + tap * sum.kernel_tap;
        else
          for (Index other = 0; other < bunch.groups; ++other)
            for (Index one = tap; one < sum.chunk.tap_end; ++one)
              kernel_.Pack(one, group + other * joined_, part, channel, sum.chunk.channels,
                           packed.data() + other * bunch.kernel + (one - tap) * sum.kernel_tap);
        plan_.Visit(band, sum);
        sum.fresh = false;
      }
    }
  }

  // A part's packed kernel from the first tap of a chunk of input channels on.
  float* AllPacked(const Part& part, Index channel) const {
    return packed_.data() + geometry_.taps() * (part.first * geometry_.in_channels + channel * part.width());
  }

  Index parts() const { return static_cast<Index>(parts_.size()); }
  Index shares() const { return whole_ ? 1 : parts(); }
  Index bunches() const { return (geometry_.groups / joined_ + together_ - 1) / together_; }

  // Groups that are computed together, since finding what a place meets takes as long as a few channels: as many as
  // have their packed kernels in the cache.
  Index Together() const {
    const Index rows = geometry_.taps() * geometry_.in_channels;
    if (parts() > 1 || rows > kDepth) return 1;
    return std::clamp<Index>(kDepth * kBlock / (rows * parts_[0].width()), 1, geometry_.groups / joined_);
  }

  // How many groups share a vector: of few channels, as many in as out.
  Index Joined() const {
    const Index channels = geometry_.out_channels, fitting = kLanes / channels;
    const bool fits = channels == geometry_.in_channels && kLanes % channels == 0 && geometry_.groups % fitting == 0;
    return kJoins && geometry_.groups > 1 && fits && ForTriple(geometry_.axes[2]) ? fitting : 1;
  }

  // Whether a task computes all parts of its places: what it reads and the lines that it writes are in the cache then. Not
  // if there are few places for each thread, or if a thread would read a large kernel again for each band.
  bool Whole(Index threads) const {
    return geometry_.groups == 1 && geometry_.places() >= 512 * threads &&
           geometry_.taps() * geometry_.in_channels * geometry_.out_channels <= kHeld;
  }

  // With one vector of output channels: how a row is read at once, its first and last places too, which meet fewer taps.
  std::optional<WholeRow> Row() const {
    if (parts() > 1 || parts_[0].vectors > 1 || geometry_.in_channels > kSummed) return {};
    return ForTriple(geometry_.axes[2]);
  }

  Geometry Widened() const {
    Geometry geometry = geometry_;
    if (row_) geometry.axes[2] = row_->axis;
    return geometry;
  }

  // As many places as the cache holds, but enough bands to keep all threads busy to the end.
  Index Band(Index threads) const {
    const Index fair = geometry_.places() * bunches() * shares() / (8 * threads);
    const Index fitting = std::min(kBand, kBandReads / std::min(geometry_.in_channels, kDepth));
    return std::max<Index>(64, std::min(fair, fitting));
  }

  const Geometry geometry_;
  const float* x_;
  Kernel kernel_;
  float* y_;
  Index joined_;
  std::vector<Part> parts_;
  Index together_;
  bool whole_;
  std::optional<WholeRow> row_;
  Plan plan_;
  std::vector<Index> taps_;    // those that any place meets
  std::vector<Index> chunks_;  // where chunks of input channels begin, if the kernel is packed once
  Packed packed_;
};

}  // namespace dilax

#endif  // DILAX_CONVOLUTION_H_
