// The kernel's gradient.

#ifndef DILAX_KERNEL_GRADIENT_H_
#define DILAX_KERNEL_GRADIENT_H_

#include <algorithm>
#include <vector>
#include "blocks.h"
#include "packing.h"

namespace dilax {

// The error of a sum grows with the number of terms, so there are sums of sums of sums: of this many places, and of this
// many of those.
constexpr Index kPlaces = 192, kPieces = 64;

// The places of a row of the result that a tap of the last axis meets, and the place of x that the first of them sees.
struct TapRange {
  Index first, last, seen;
};

inline std::vector<TapRange> Ranges(const Axis& axis) {
  std::vector<TapRange> ranges;
  for (Index tap = 0; tap < axis.taps; ++tap) {
    TapRange met{0, 0, 0};
    for (Index place = 0; place < axis.out; ++place) {
      const Index seen = place * axis.stride + tap * axis.dilation - axis.before;
      if (seen < 0 || seen >= axis.in) continue;
      if (met.first == met.last) met = {place, place, seen};
      met.last = place + 1;
    }
    ranges.push_back(met);
  }
  return ranges;
}

class KernelGradient {
 public:
  // The geometry is the forward convolution's: x is read, gradient has the places of its result.
  KernelGradient(const Geometry& geometry, const float* x, const float* gradient, float* kernel, Index threads)
      : geometry_(geometry), x_(x), gradient_(gradient), kernel_(kernel) {
    const Axis* axes = geometry.axes;
    // Each chunk of input channels copies the whole gradient anew, so the larger the better; but all threads are to be
    // busy to the end.
    for (const Chunks& chunks : {Chunks{288, 256}, {288, 96}, {288, 48}, {288, 32}, {144, 32}, {96, 32}, {48, 32}}) {
      in_chunk_ = Even(geometry.in_channels, chunks.in, 1);
      out_chunk_ = Even(geometry.out_channels, chunks.out, kLanes);
      in_chunks_ = (geometry.in_channels + in_chunk_ - 1) / in_chunk_;
      out_chunks_ = (geometry.out_channels + out_chunk_ - 1) / out_chunk_;
      if (parts() >= 3 * threads) break;
    }
    // Each task adds up some rows alone, as many as the second cache holds of both arrays, unless that takes much memory.
    // Then all parts are computed of a task's rows, or else one.
    const Index size = geometry.taps() * geometry.in_channels * geometry.out_pitch();
    const Index numbers = axes[2].in * geometry.in_pitch() + axes[2].out * geometry.out_pitch();
    const Index most = std::clamp<Index>(kApart / size, 1, rows());
    bands_ = std::clamp<Index>(std::max(8 * threads / parts(), rows() * numbers / kBandReads), 1, most);
    whole_ = bands_ >= 3 * threads;
    if (bands_ > 1) apart_ = Packed(bands_ * size);
    met_ = Ranges(axes[2]);
    // Of a few channels of a group each place reads a part of a line, which the first cache no more holds at the next tap;
    // nor does it hold what lies kilobytes apart.
    const bool lost = (geometry.groups > 1 && geometry.in_channels <= kLanes) || geometry.in_pitch() >= kFar;
    packs_x_ = lost && axes[2].in <= 2 * std::min(axes[2].out, kPlaces);
  }

  Index tasks() const { return whole_ ? bands_ : bands_ * lines() * parts_of_line(); }

  void Compute(Index task) const {
    const Index band = task % bands_;
    Memory memory(*this);
    if (!whole_) return Compute(Rows(task / bands_ / parts_of_line(), band), task / bands_ % parts_of_line(), band, memory);
    for (Index line = 0; line < lines(); ++line) {
      const Line rows = Rows(line, band);
      for (Index part = 0; part < parts_of_line(); ++part) Compute(rows, part, band, memory);
    }
  }

  // Tasks that add up what the bands gave. After all others.
  Index additions() const { return bands_ > 1 ? geometry_.taps() : 0; }

  void Finish(Index tap) const {
    const Index size = geometry_.in_channels * geometry_.out_pitch();
    const float* from = apart_.data() + tap * size;
    float* __restrict to = kernel_ + tap * size;
    std::copy_n(from, size, to);
    for (Index band = 1; band < bands_; ++band)
      for (Index one = 0; one < size; ++one) to[one] += from[band * geometry_.taps() * size + one];
  }

 private:
  // Numbers of the gradients of all bands.
  static constexpr Index kApart = 1 << 20;
  // From so many numbers from place to place on, copying them together first pays.
  static constexpr Index kFar = 512;

  struct Chunks {
    Index in, out;  // channels
  };
  // The size of the fewest chunks of at most so many channels, all of about the same size, a multiple of a unit.
  static Index Even(Index channels, Index most, Index unit) {
    const Index chunks = (channels + most - 1) / most;
    return (channels + chunks * unit - 1) / (chunks * unit) * unit;
  }

  struct Row {
    Index x, gradient;  // where a row begins, in places
  };
  // Taps that differ in the last axis alone, and the rows that they meet.
  struct Line {
    Index first_tap;
    std::vector<Row> rows;
  };
  // What a task needs again and again.
  struct Memory {
    explicit Memory(const KernelGradient& of)
        : x(of.packs_x_ ? 2 * kPlaces * of.in_chunk_ : 0),
          gradient(kPlaces * kBlock),
          sums(of.geometry_.axes[2].taps * of.in_chunk_ * (of.out_chunk_ + kLanes)),
          terms(kPlaces) {}
    Packed x, gradient, sums;
    std::vector<Term> terms;
  };

  Index lines() const { return geometry_.axes[0].taps * geometry_.axes[1].taps; }
  Index parts_of_line() const { return geometry_.groups * in_chunks_ * out_chunks_; }
  Index parts() const { return lines() * parts_of_line(); }
  Index rows() const { return geometry_.batch * geometry_.axes[0].out * geometry_.axes[1].out; }

  // Of a line of taps, those of a band's rows that it meets.
  Line Rows(Index line, Index band) const {
    const Axis &depth = geometry_.axes[0], &height = geometry_.axes[1];
    Line met{line * geometry_.axes[2].taps, {}};
    for (Index row = rows() * band / bands_; row < rows() * (band + 1) / bands_; ++row) {
      const Index sample = row / height.out / depth.out;
      const Index plane = row / height.out % depth.out * depth.stride + line / height.taps * depth.dilation - depth.before;
      const Index place = row % height.out * height.stride + line % height.taps * height.dilation - height.before;
      if (0 <= plane && plane < depth.in && 0 <= place && place < height.in)
        met.rows.push_back({((sample * depth.in + plane) * height.in + place) * geometry_.axes[2].in,
                            row * geometry_.axes[2].out});
    }
    return met;
  }

  // What the rows add to the gradient of a line of taps times some input channels times some output channels.
  void Compute(const Line& line, Index part, Index band, Memory& memory) const {
    const Index out_first = part % out_chunks_ * out_chunk_, in_first = part / out_chunks_ % in_chunks_ * in_chunk_;
    const Index group = part / out_chunks_ / in_chunks_;
    const Index in_count = std::min(in_chunk_, geometry_.in_channels - in_first);
    const Index out_count = std::min(out_chunk_, geometry_.out_channels - out_first);
    const Axis& axis = geometry_.axes[2];
    const Index length = axis.out, piece = std::min(length, kPlaces), together = kPlaces / piece;
    const Index out_pitch = geometry_.out_pitch(), in_pitch = geometry_.in_pitch();
    float* result = bands_ > 1 ? apart_.data() + band * geometry_.taps() * geometry_.in_channels * out_pitch : kernel_;
    float* to = result + (line.first_tap * geometry_.in_channels + in_first) * out_pitch +
                group * geometry_.out_channels + out_first;
    const float* x = x_ + group * geometry_.in_channels + in_first;
    const float* gradient = gradient_ + group * geometry_.out_channels + out_first;
    const Index pitch = (out_count + kLanes - 1) / kLanes * kLanes;
    float* const sums = memory.sums.data();
    std::fill_n(sums, axis.taps * in_count * pitch, 0.0f);
    Index pieces = 0;
    Clear(to, in_count, out_count);
    const Index count = static_cast<Index>(line.rows.size());
    for (Index row = 0; row < count; row += together) {
      const Row* rows = line.rows.data() + row;
      const Index many = std::min(together, count - row);
      if (packs_x_)
        for (Index one = 0; one < many; ++one)
          CopyRows(x + rows[one].x * in_pitch, in_pitch, in_count, axis.in, memory.x.data() + one * axis.in * in_count,
                   in_count);
      for (Index start = 0; start < length; start += piece) {
        const Index end = std::min(length, start + piece);
        for (const Part& part : Parts(out_count)) {
          const Index width = part.width();
          // Of one vector they already lie one behind the other.
          const bool packed = out_pitch != width;
          if (packed)
            for (Index one = 0; one < many; ++one)
              CopyRows(gradient + (rows[one].gradient + start) * out_pitch + part.first, out_pitch, part.lanes, end - start,
                       memory.gradient.data() + one * (end - start) * width, width);
          for (Index tap = 0; tap < axis.taps; ++tap) {
            const Index first = std::max(start, met_[tap].first), last = std::min(end, met_[tap].last);
            if (first >= last) continue;
            const Index seen = met_[tap].seen + (first - met_[tap].first) * axis.stride;
            for (Index one = 0; one < many; ++one)
              memory.terms[one] = {
                  packs_x_ ? memory.x.data() + (one * axis.in + seen) * in_count : x + (rows[one].x + seen) * in_pitch,
                  packed ? memory.gradient.data() + (one * (end - start) + first - start) * width
                         : gradient + (rows[one].gradient + first) * width};
            const Steps steps{1, axis.stride * (packs_x_ ? in_count : in_pitch), width, pitch};
            Blocks(memory.terms.data(), many, many, in_count, last - first, steps, sums + tap * in_count * pitch + part.first,
                   part, false);
          }
        }
        if (++pieces % kPieces == 0) Move(sums, pitch, in_count, out_count, to);
      }
    }
    Move(sums, pitch, in_count, out_count, to);
  }

  // Adds the sums to the gradient and begins again from zeros.
  void Move(float* sums, Index pitch, Index in_count, Index out_count, float* to) const {
    for (Index tap = 0; tap < geometry_.axes[2].taps; ++tap) {
      for (Index channel = 0; channel < in_count; ++channel, sums += pitch) {
        float* row = to + (tap * geometry_.in_channels + channel) * geometry_.out_pitch();
        for (Index out = 0; out < out_count; ++out) row[out] += sums[out];
        std::fill_n(sums, out_count, 0.0f);
      }
    }
  }

  void Clear(float* to, Index in_count, Index out_count) const {
    for (Index tap = 0; tap < geometry_.axes[2].taps; ++tap)
      for (Index channel = 0; channel < in_count; ++channel)
        std::fill_n(to + (tap * geometry_.in_channels + channel) * geometry_.out_pitch(), out_count, 0.0f);
  }

  const Geometry geometry_;
  const float* x_;
  const float* gradient_;
  float* kernel_;
  Index in_chunk_, out_chunk_, in_chunks_, out_chunks_, bands_;
  bool whole_, packs_x_;
  Packed apart_{0};
  std::vector<TapRange> met_;
};

}  // namespace dilax

#endif  // DILAX_KERNEL_GRADIENT_H_
