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
    for (const Chunks& chunks : {Chunks{288, 96}, {288, 48}, {288, 32}, {144, 32}, {96, 32}, {48, 32}}) {
      in_chunk_ = Even(geometry.in_channels, chunks.in, 1);
      out_chunk_ = Even(geometry.out_channels, chunks.out, kLanes);
      in_chunks_ = (geometry.in_channels + in_chunk_ - 1) / in_chunk_;
      out_chunks_ = (geometry.out_channels + out_chunk_ - 1) / out_chunk_;
      if (parts() >= 3 * threads) break;
    }
    // A few parts do not come out even: each adds up some rows alone, unless that takes much memory.
    const Index size = geometry.taps() * geometry.in_channels * geometry.out_pitch();
    const Index rows = geometry.batch * axes[0].out * axes[1].out;
    bands_ = std::clamp<Index>(8 * threads / parts(), 1, std::clamp<Index>(kApart / size, 1, rows));
    if (bands_ > 1) apart_ = Packed(bands_ * size);
    met_ = Ranges(axes[2]);
  }

  Index tasks() const { return parts() * bands_; }

  // What some rows add to the gradient of one line of taps times some input channels times some output channels.
  void Compute(Index task) const {
    const Axis* axes = geometry_.axes;
    const Index band = task % bands_;
    task /= bands_;
    const Index out_part = task % out_chunks_, in_part = task / out_chunks_ % in_chunks_;
    task /= out_chunks_ * in_chunks_;
    const Index group = task % geometry_.groups, line = task / geometry_.groups;
    const Index in_first = in_part * in_chunk_, out_first = out_part * out_chunk_;
    const Index in_count = std::min(in_chunk_, geometry_.in_channels - in_first);
    const Index out_count = std::min(out_chunk_, geometry_.out_channels - out_first);
    const std::vector<Row> rows = Rows(line / axes[1].taps, line % axes[1].taps, band);
    const Index length = axes[2].out, piece = std::min(length, kPlaces);
    const Index together = std::max<Index>(1, kPlaces / length);
    const Index out_pitch = geometry_.out_pitch(), in_pitch = geometry_.in_pitch();
    Packed packed(together * piece * kBlock);
    std::vector<Term> terms(together);
    float* result = bands_ > 1 ? apart_.data() + band * geometry_.taps() * geometry_.in_channels * out_pitch : kernel_;
    float* to = result + line * axes[2].taps * geometry_.in_channels * out_pitch + in_first * out_pitch +
                group * geometry_.out_channels + out_first;
    const Index pitch = (out_count + kLanes - 1) / kLanes * kLanes;
    Packed sums(axes[2].taps * in_count * pitch);
    std::fill_n(sums.data(), axes[2].taps * in_count * pitch, 0.0f);
    Index pieces = 0;
    Clear(to, in_count, out_count);
    for (std::size_t row = 0; row < rows.size(); row += together) {
      const Index many = std::min<Index>(together, rows.size() - row);
      for (Index start = 0; start < length; start += piece) {
        const Index end = std::min(length, start + piece);
        for (const Part& part : Parts(out_count)) {
          const Index width = part.width();
          float* into = packed.data();
          for (Index one = 0; one < many; ++one, into += (end - start) * width) {
            const float* from = gradient_ + (rows[row + one].gradient + start) * out_pitch +
                                group * geometry_.out_channels + out_first + part.first;
            CopyRows(from, out_pitch, part.lanes, end - start, into, width);
          }
          for (Index tap = 0; tap < axes[2].taps; ++tap) {
            const Index first = std::max(start, met_[tap].first), last = std::min(end, met_[tap].last);
            if (first >= last) continue;
            const Index seen = met_[tap].seen + (first - met_[tap].first) * axes[2].stride;
            for (Index one = 0; one < many; ++one)
              terms[one] = {x_ + (rows[row + one].x + seen) * in_pitch + group * geometry_.in_channels + in_first,
                            packed.data() + (one * (end - start) + first - start) * width};
            const Steps steps{1, axes[2].stride * in_pitch, width, pitch};
            Blocks(terms.data(), many, many, in_count, last - first, steps,
                   sums.data() + tap * in_count * pitch + part.first, part, false);
          }
        }
        if (++pieces % kPieces == 0) Move(sums.data(), pitch, in_count, out_count, to);
      }
    }
    Move(sums.data(), pitch, in_count, out_count, to);
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

  Index parts() const {
    return geometry_.axes[0].taps * geometry_.axes[1].taps * geometry_.groups * in_chunks_ * out_chunks_;
  }

  // Of a line of taps, a band's share of the rows that it meets.
  std::vector<Row> Rows(Index depth_tap, Index height_tap, Index band) const {
    const Axis* axes = geometry_.axes;
    std::vector<Row> rows;
    for (Index sample = 0; sample < geometry_.batch; ++sample) {
      for (Index depth = 0; depth < axes[0].out; ++depth) {
        const Index plane = depth * axes[0].stride + depth_tap * axes[0].dilation - axes[0].before;
        if (plane < 0 || plane >= axes[0].in) continue;
        for (Index height = 0; height < axes[1].out; ++height) {
          const Index line = height * axes[1].stride + height_tap * axes[1].dilation - axes[1].before;
          if (line < 0 || line >= axes[1].in) continue;
          rows.push_back({((sample * axes[0].in + plane) * axes[1].in + line) * axes[2].in,
                          ((sample * axes[0].out + depth) * axes[1].out + height) * axes[2].out});
        }
      }
    }
    const Index count = static_cast<Index>(rows.size());
    return {rows.begin() + count * band / bands_, rows.begin() + count * (band + 1) / bands_};
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
  Packed apart_{0};
  std::vector<TapRange> met_;
};

}  // namespace dilax

#endif  // DILAX_KERNEL_GRADIENT_H_
