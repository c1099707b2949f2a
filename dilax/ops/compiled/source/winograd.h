// A convolution, or its input's gradient, with fewer multiplications, where the last axis has three taps.

#ifndef DILAX_WINOGRAD_H_
#define DILAX_WINOGRAD_H_

#include <algorithm>
#include <vector>
#include "blocks.h"
#include "convolution.h"
#include "packing.h"
#include "plan.h"

namespace dilax {

// Winograd's F(2, 3) along the last axis. With dilation d the results at w and w + d come of four products instead of
// six: of x0 … x3, which lie d apart, with the taps g0, g1, g2,
//   M0 = (x0 - x2) g0, M1 = (x1 + x2) (g0 + g1 + g2) / 2, M2 = (x2 - x1) (g0 - g1 + g2) / 2, M3 = (x1 - x3) g2;
// summed over input channels and the other axes' taps (lines), M0 + M1 + M2 is the result at w, M1 - M2 - M3 at w + d.
// Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016, section 4.1.
class Winograd {
 public:
  // Whether it is faster, by thresholds that were measured: sums long enough to pay for the additions, pairs enough to
  // pay for the kernel's transformation, bands for all threads, and at most 7/8 of the direct way's multiplications,
  // which skips the taps that meet only padding.
  static bool Pays(const Geometry& geometry, Index threads) {
    const Axis& axis = geometry.axes[2];
    const Geometry pairs = InPairs(geometry);
    if (geometry.groups > 1 || axis.taps != 3 || axis.stride > 1 || pairs.taps() * pairs.in_channels < 160 ||
        pairs.places() < 256 || pairs.places() < 4 * threads * pairs.axes[2].out)
      return false;
    Index met = 0;
    for (const Run& run : Runs(axis, axis.out)) met += run.count * static_cast<Index>(run.met.size());
    return 8 * 4 * pairs.axes[2].out <= 7 * met;
  }

  Winograd(const Geometry& geometry, const float* x, const float* kernel, float* y, Index threads)
      : axis_(geometry.axes[2]),
        pairs_(InPairs(geometry)),
        row_(pairs_.axes[2].out),
        x_(x),
        kernel_(geometry, kernel),
        y_(y),
        parts_(Parts(geometry.out_channels)),
        plan_(pairs_, std::max(row_, std::min(kBand, pairs_.places() / (8 * threads)))),
        packed_(4 * pairs_.taps() * pairs_.in_channels * (pairs_.out_channels + kLanes)) {}

  Index packings() const { return pairs_.taps() * static_cast<Index>(parts_.size()); }

  // Transforms one line of the kernel for one part of the output channels. All are to be done before any task.
  void Pack(Index packing) const {
    const Part& part = parts_[packing / pairs_.taps()];
    const Index line = packing % pairs_.taps(), size = pairs_.in_channels * part.width();
    float* to[4];
    for (int product = 0; product < 4; ++product) to[product] = Transformed(part, product, line);
    Packed middle(size);
    float* const taps[3] = {to[0], middle.data(), to[3]};
    for (Index tap = 0; tap < 3; ++tap)
      kernel_.Pack(3 * line + (axis_.transposed ? 2 - tap : tap), 0, part, 0, pairs_.in_channels, taps[tap]);
    for (Index one = 0; one < size; ++one) {
      const float outer = taps[0][one] + taps[2][one];
      to[1][one] = (outer + taps[1][one]) / 2;
      to[2][one] = (outer - taps[1][one]) / 2;
    }
  }

  Index tasks() const { return plan_.bands(); }

  // One band of the result.
  void Compute(Index band) const {
    Reads reads{row_, {}, {}, 0};
    plan_.Visit(band, reads);
    std::sort(reads.rows.begin(), reads.rows.end());
    reads.rows.erase(std::unique(reads.rows.begin(), reads.rows.end()), reads.rows.end());
    const Index lines = pairs_.taps(), channels = pairs_.in_channels;
    const Index x_size = static_cast<Index>(reads.rows.size()) * row_ * channels;
    Packed x(4 * x_size), products(4 * reads.pairs * kBlock);
    Transform(reads.rows, x.data(), x_size);
    // A third of the lines at most: results are sums of sums, whose errors are smaller than the direct way's.
    const Index depth = std::min(channels, kSummed);
    const Index together = std::min((lines + 2) / 3, std::max<Index>(1, kSummed / channels));
    for (const Part& part : parts_) {
      const Index width = part.width();
      const Part whole{part.first, width, part.vectors, part.wide};
      for (int product = 0; product < 4; ++product) {
        const auto read = [&](Index place) {
          const auto row = std::lower_bound(reads.rows.begin(), reads.rows.end(), place / row_) - reads.rows.begin();
          return x.data() + product * x_size + (row * row_ + place % row_) * channels;
        };
        float* to = products.data() + product * reads.pairs * kBlock;
        const Steps steps{channels, 1, width, width};
        Sum<decltype(read)> sum{read, whole, {1, 0, 0, 0}, steps, to, width, true, {}, nullptr, channels * width, true,
                                kSummed / 4, std::vector<Term>(together), {}};
        for (Index channel = 0; channel < channels; channel += depth) {
          for (Index line = 0; line < lines; line += together) {
            sum.chunk = {line, line + together, channel, std::min(depth, channels - channel)};
            sum.kernel = Transformed(part, product, line) + channel * width;
            plan_.Visit(band, sum);
            sum.fresh = false;
          }
        }
      }
      Combine(reads, part, products.data());
    }
  }

 private:
  // The rows of x that a band reads, and those of the result that it gives, with so many pairs in all.
  struct Reads {
    Index row;
    std::vector<Index> rows, results;
    Index pairs;

    void Meet(Index, Index place) { rows.push_back(place / row); }
    void Finish(Index place, Index count, Index) {
      if (place % row == 0) results.push_back(place / row);
      pairs += count;
    }
  };

  // The geometry of each product: in a row's place its pairs, the last of which may lack the second place.
  static Geometry InPairs(Geometry geometry) {
    const Index out = geometry.axes[2].out, rate = geometry.axes[2].dilation;
    const Index pairs = out / (2 * rate) * rate + std::min(out % (2 * rate), rate);
    geometry.axes[2] = {pairs, pairs, 1, 1, 0, 1, false};
    return geometry;
  }

  // A product's kernel for a part, from a line on.
  float* Transformed(const Part& part, int product, Index line) const {
    const Index lines = pairs_.taps();
    return packed_.data() +
           pairs_.in_channels * (4 * lines * part.first + (product * lines + line) * part.width());
  }

  // to[product][row][pair][channel]
  void Transform(const std::vector<Index>& rows, float* to, Index size) const {
    const Index channels = pairs_.in_channels, rate = axis_.dilation, tile = rate * channels;
    const Index before = axis_.transposed ? 2 * rate - axis_.before : axis_.before;
    Packed padded(4 * tile);
    for (const Index row : rows) {
      for (Index start = 0; start < row_; start += rate) {
        const Index count = std::min(rate, row_ - start) * channels, first = 2 * start - before;
        const float* x = x_ + (row * axis_.in + first) * channels;
        if (first < 0 || first + 4 * rate > axis_.in) {  // beside the row are zeros
          const Index begin = std::clamp<Index>(-first, 0, 4 * rate);
          const Index end = std::clamp<Index>(axis_.in - first, begin, 4 * rate);
          std::fill_n(padded.data(), begin * channels, 0.0f);
          std::copy(x + begin * channels, x + end * channels, padded.data() + begin * channels);
          std::fill_n(padded.data() + end * channels, (4 * rate - end) * channels, 0.0f);
          x = padded.data();
        }
        Differences(x, x + tile, x + 2 * tile, x + 3 * tile, count, to, to + size, to + 2 * size, to + 3 * size);
        to += count;
      }
    }
  }

  // Apart, because only arguments are known not to overlap: the compiler uses vectors then.
  static void Differences(const float* x0, const float* x1, const float* x2, const float* x3, Index count,
                          float* __restrict t0, float* __restrict t1, float* __restrict t2, float* __restrict t3) {
    for (Index one = 0; one < count; ++one) {
      t0[one] = x0[one] - x2[one];
      t1[one] = x1[one] + x2[one];
      t2[one] = x2[one] - x1[one];
      t3[one] = x1[one] - x3[one];
    }
  }

  // The products' sums are results.
  void Combine(const Reads& reads, const Part& part, const float* m0) const {
    const Index pitch = pairs_.out_channels, size = reads.pairs * kBlock, rate = axis_.dilation;
    for (Index pair = 0; pair < reads.pairs; ++pair, m0 += part.width()) {
      const Index place = pair % row_ / rate * 2 * rate + pair % row_ % rate;
      const float *m1 = m0 + size, *m2 = m1 + size, *m3 = m2 + size;
      float* __restrict y = y_ + (reads.results[pair / row_] * axis_.out + place) * pitch + part.first;
      for (Index lane = 0; lane < part.lanes; ++lane) y[lane] = m0[lane] + m1[lane] + m2[lane];
      if (place + rate >= axis_.out) continue;
      y += rate * pitch;
      for (Index lane = 0; lane < part.lanes; ++lane) y[lane] = m1[lane] - m2[lane] - m3[lane];
    }
  }

  const Axis axis_;
  const Geometry pairs_;
  const Index row_;  // pairs
  const float* x_;
  const Kernel kernel_;
  float* y_;
  const std::vector<Part> parts_;
  const Plan plan_;
  const Packed packed_;
};

}  // namespace dilax

#endif  // DILAX_WINOGRAD_H_
