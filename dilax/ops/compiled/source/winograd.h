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
// summed over input channels and the other axes' taps, M0 + M1 + M2 is the result at w and M1 - M2 - M3 at w + d.
// Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016, section 4.1.
class Winograd {
 public:
  // Whether it is faster, as measured: the multiplications are at most 7/8 of those by taps that do not meet padding
  // alone, long sums and several vectors of results pay for the additions, many places for the transformed kernel, and
  // there are rows enough to keep all threads busy.
  static bool Pays(const Geometry& geometry, Index threads) {
    const Axis& axis = geometry.axes[2];
    if (geometry.groups > 1 || axis.taps != 3 || axis.stride > 1) return false;
    Index met = 0;
    for (Index place = 0; place < axis.out; ++place) met += axis.Met(place).size();
    const Geometry pairs = InPairs(geometry);
    return 7 * met >= 8 * 4 * Pairs(axis) && pairs.taps() * geometry.in_channels >= kLeastSum &&
           pairs.places() >= kLeastPairs && pairs.places() / Pairs(axis) >= 4 * threads;
  }

  Winograd(const Geometry& geometry, const float* x, const float* kernel, float* y, Index threads)
      : axis_(geometry.axes[2]),
        pairs_(InPairs(geometry)),
        row_(Pairs(axis_)),
        x_(x),
        kernel_(geometry, kernel),
        y_(y),
        parts_(Parts(geometry.out_channels)),
        plan_(pairs_, std::max(row_, std::min(kBand, pairs_.places() / (8 * threads)))),
        packed_(Offset({(geometry.out_channels + kLanes - 1) / kLanes * kLanes, 0, 0}, 0, 0)) {}

  Index packings() const { return parts() * pairs_.taps(); }

  // Transforms one line of the kernel for one part of the output channels. All are to be done before anything else.
  void Pack(Index packing) const {
    const Part& part = parts_[packing % parts()];
    const Index line = packing / parts(), channels = pairs_.in_channels, size = channels * part.vectors * kLanes;
    Packed middle(size);
    float* to[4];
    for (int product = 0; product < 4; ++product) to[product] = packed_.data() + Offset(part, product, line);
    float* taps[3] = {to[0], middle.data(), to[3]};
    for (Index tap = 0; tap < 3; ++tap)
      kernel_.Pack(3 * line + (axis_.transposed ? 2 - tap : tap), 0, part, 0, channels, taps[tap]);
    for (Index one = 0; one < size; ++one) {
      const float outer = taps[0][one] + taps[2][one];
      to[1][one] = (outer + taps[1][one]) / 2;
      to[2][one] = (outer - taps[1][one]) / 2;
    }
  }

  Index tasks() const { return plan_.bands(); }

  // One band of the result.
  void Compute(Index band) const {
    Reads reads{row_, {}, -1, 0};
    plan_.Visit(band, reads);
    std::sort(reads.rows.begin(), reads.rows.end());
    reads.rows.erase(std::unique(reads.rows.begin(), reads.rows.end()), reads.rows.end());
    const Index lines = pairs_.taps(), channels = pairs_.in_channels;
    const Index size = static_cast<Index>(reads.rows.size()) * row_ * channels;
    Packed x(4 * size), products(4 * reads.pairs * kBlock);
    Transform(reads.rows, x.data(), size);
    const Index depth = std::min(channels, kChain), together = std::min((lines + 2) / 3, std::max<Index>(1, kChain / channels));
    for (const Part& part : parts_) {
      for (int product = 0; product < 4; ++product) {
        Sum sum{*this, part, reads, x.data() + product * size, packed_.data() + Offset(part, product, 0),
                products.data() + product * reads.pairs * kBlock, {}, true, std::vector<Term>(together), 0};
        for (Index channel = 0; channel < channels; channel += depth) {
          for (Index line = 0; line < lines; line += together) {
            sum.chunk = {line, std::min(line + together, lines), channel, std::min(depth, channels - channel)};
            plan_.Visit(band, sum);
            sum.fresh = false;
          }
        }
      }
      Combine(reads, part, products.data());
    }
  }

 private:
  // Measured: see Pays. Below, XLA's own convolution may round better, too.
  static constexpr Index kLeastSum = 96, kLeastPairs = 128;
  // Products that are summed one after the other: longer chains round worse than the direct way, shorter ones cost time.
  static constexpr Index kChain = 128;

  struct Chunk {
    Index line, line_end, channel, channels;
  };

  // The rows of x that a band reads, and the pairs of results that it gives.
  struct Reads {
    Index row;
    std::vector<Index> rows;
    Index first, pairs;

    void Meet(Index, Index place) { rows.push_back(place / row); }
    void Finish(Index place, Index places) {
      if (first < 0) first = place;
      pairs += places;
    }
  };

  // Adds a chunk's share to one product of a band.
  struct Sum {
    const Winograd& whole;
    const Part& part;
    const Reads& reads;
    const float* x;
    const float* kernel;
    float* to;
    Chunk chunk;
    bool fresh;
    std::vector<Term> terms;
    Index count;

    void Meet(Index line, Index place) {
      if (line < chunk.line || line >= chunk.line_end) return;
      const auto row = std::lower_bound(reads.rows.begin(), reads.rows.end(), place / reads.row) - reads.rows.begin();
      const Index channels = whole.pairs_.in_channels;
      terms[count++] = {x + (row * reads.row + place % reads.row) * channels + chunk.channel,
                        kernel + (line * channels + chunk.channel) * part.vectors * kLanes};
    }

    void Finish(Index place, Index places) {
      const Index width = part.vectors * kLanes;
      const Steps steps{whole.pairs_.in_channels, 1, width, width};
      float* y = to + (place - reads.first) * width;
      if (count || fresh) Blocks(terms.data(), count, places, chunk.channels, steps, y, width, part.vectors, fresh);
      count = 0;
    }
  };

  // How many pairs d apart cover the last axis. Some pairs at its end lack the second place.
  static Index Pairs(const Axis& axis) {
    const Index tile = 2 * axis.dilation;
    return axis.out / tile * axis.dilation + std::min(axis.out % tile, axis.dilation);
  }

  // The geometry of each of the four products.
  static Geometry InPairs(Geometry geometry) {
    const Index pairs = Pairs(geometry.axes[2]);
    geometry.axes[2] = {pairs, pairs, 1, 1, 0, 1, false};
    return geometry;
  }

  Index parts() const { return static_cast<Index>(parts_.size()); }

  // Where a line of the transformed kernel begins.
  Index Offset(const Part& part, int product, Index line) const {
    return pairs_.in_channels * (4 * pairs_.taps() * part.first + (product * pairs_.taps() + line) * part.vectors * kLanes);
  }

  // to[product][row][pair][channel]
  void Transform(const std::vector<Index>& rows, float* to, Index size) const {
    const Index channels = pairs_.in_channels, tile = axis_.dilation * channels, all = row_ * channels;
    const Index tiles = (row_ + axis_.dilation - 1) / axis_.dilation, length = 2 * (tiles + 1) * axis_.dilation;
    const Index before = axis_.transposed ? 2 * axis_.dilation - axis_.before : axis_.before;
    const Index first = std::min(length, std::max<Index>(0, before));
    const Index last = std::max(first, std::min(length, axis_.in + before));
    Packed padded(length * channels);
    std::fill_n(padded.data(), first * channels, 0.0f);
    std::fill_n(padded.data() + last * channels, (length - last) * channels, 0.0f);
    for (const Index row : rows) {
      std::copy_n(x_ + (row * axis_.in + first - before) * channels, (last - first) * channels,
                  padded.data() + first * channels);
      for (Index start = 0; start < all; start += tile) {
        const Index count = std::min(tile, all - start);
        const float* x = padded.data() + 2 * start;
        Tile(x, x + tile, x + 2 * tile, x + 3 * tile, count, to, to + size, to + 2 * size, to + 3 * size);
        to += count;
      }
    }
  }

  static void Tile(const float* x0, const float* x1, const float* x2, const float* x3, Index count, float* __restrict t0,
                   float* __restrict t1, float* __restrict t2, float* __restrict t3) {
    for (Index one = 0; one < count; ++one) {
      t0[one] = x0[one] - x2[one];
      t1[one] = x1[one] + x2[one];
      t2[one] = x2[one] - x1[one];
      t3[one] = x1[one] - x3[one];
    }
  }

  // The products' sums are results.
  void Combine(const Reads& reads, const Part& part, const float* products) const {
    const Index pitch = pairs_.out_channels, size = reads.pairs * kBlock, rate = axis_.dilation;
    for (Index pair = reads.first; pair < reads.first + reads.pairs; ++pair, products += part.vectors * kLanes) {
      const Index at = pair % row_ / rate * 2 * rate + pair % row_ % rate;
      const float *m0 = products, *m1 = m0 + size, *m2 = m1 + size, *m3 = m2 + size;
      float* __restrict y = y_ + (pair / row_ * axis_.out + at) * pitch + part.first;
      for (Index lane = 0; lane < part.lanes; ++lane) y[lane] = m0[lane] + m1[lane] + m2[lane];
      if (at + rate >= axis_.out) continue;
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
