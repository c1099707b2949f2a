// A convolution, or its input's gradient, with two thirds of the multiplications where the last axis has three taps.

#ifndef DILAX_WINOGRAD_H_
#define DILAX_WINOGRAD_H_

#include <algorithm>
#include <cstring>
#include <vector>
#include "blocks.h"
#include "convolution.h"
#include "packing.h"
#include "plan.h"

namespace dilax {

// Winograd's F(2, 3) along the last axis. With dilation d the results at w and w + d come of four products instead of
// six: x0 … x3, read d apart, become x0 - x2, x1 + x2, x2 - x1, x1 - x3; the taps g0, g1, g2 become g0,
// (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2; of the products M0 … M3, each a sum over the input channels and the other
// axes' taps, M0 + M1 + M2 is the result at w and M1 - M2 - M3 that at w + d.
// Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016, section 4.1.
class Winograd {
 public:
  // Whether the multiplications saved are worth the additions.
  static bool Pays(const Geometry& geometry) {
    const Axis& axis = geometry.axes[2];
    if (geometry.groups > 1 || axis.taps != 3 || axis.stride > 1) return false;
    Index met = 0;
    for (Index place = 0; place < axis.out; ++place) met += axis.Met(place).size();
    return met * 5 >= 4 * Pairs(axis) * 6;
  }

  Winograd(const Geometry& geometry, const float* x, const float* kernel, float* y, Index threads)
      : geometry_(geometry),
        x_(x),
        kernel_(geometry, kernel),
        y_(y),
        pairs_(Pairs(geometry.axes[2])),
        rows_(geometry),
        parts_(Parts(geometry.out_channels)),
        plan_((rows_.axes[2] = {pairs_, pairs_, 1, 1, 0, 1, false}, rows_), Band(threads)),
        packed_(4 * rows_.taps() * geometry.in_channels * (geometry.out_channels + kBlock)) {}

  Index packings() const { return parts() * rows_.taps(); }

  // Transforms one line of the kernel for one part of the output channels; to be done before anything is computed.
  void Pack(Index packing) {
    const Part& part = parts_[packing % parts()];
    const Index line = packing / parts(), size = geometry_.in_channels * part.vectors * kLanes;
    Packed middle(size);
    float* to[4] = {Line(part, 0, line), Line(part, 1, line), Line(part, 2, line), Line(part, 3, line)};
    float* taps[3] = {to[0], middle.data(), to[3]};
    for (Index tap = 0; tap < 3; ++tap)
      kernel_.Pack(3 * line + (geometry_.axes[2].transposed ? 2 - tap : tap), 0, part, 0, geometry_.in_channels,
                   taps[tap]);
    for (Index one = 0; one < size; ++one) {
      const float outer = taps[0][one] + taps[2][one];
      to[1][one] = (outer + taps[1][one]) / 2;
      to[2][one] = (outer - taps[1][one]) / 2;
    }
  }

  Index tasks() const { return plan_.bands(); }

  // One band of the result.
  void Compute(Index task) const {
    Reads reads{pairs_, {}, -1, 0};
    plan_.Visit(task, reads);
    std::sort(reads.rows.begin(), reads.rows.end());
    reads.rows.erase(std::unique(reads.rows.begin(), reads.rows.end()), reads.rows.end());
    const Index lines = rows_.taps(), channels = geometry_.in_channels;
    const Index size = static_cast<Index>(reads.rows.size()) * pairs_ * channels;
    Packed x(4 * size), products(4 * reads.places * kBlock);
    Transform(reads.rows, x.data(), size);
    const Index depth = std::min(channels, kDepth);
    const Index together = std::min(lines, std::max<Index>(1, kDepth / channels));
    for (const Part& part : parts_) {
      for (int product = 0; product < 4; ++product) {
        Sum sum{*this, part, reads, x.data() + product * size, Line(part, product, 0),
                products.data() + product * reads.places * kBlock, 0, 0, 0, 0, true, std::vector<Term>(together), 0};
        for (sum.channel = 0; sum.channel < channels; sum.channel += depth) {
          sum.channels = std::min(depth, channels - sum.channel);
          for (sum.line = 0; sum.line < lines; sum.line += together) {
            sum.line_end = std::min(sum.line + together, lines);
            plan_.Visit(task, sum);
            sum.fresh = false;
          }
        }
      }
      Combine(reads, part, products.data());
    }
  }

 private:
  // The rows of x that a band reads, and the pairs of results that it gives.
  struct Reads {
    Index pairs;
    std::vector<Index> rows;
    Index first, places;

    void Meet(Index, Index place) { rows.push_back(place / pairs); }
    void Finish(Index place, Index count) {
      if (first < 0) first = place;
      places += count;
    }
  };

  // Adds to a product of a band the share of some lines of taps and some channels.
  struct Sum {
    const Winograd& whole;
    const Part& part;
    const Reads& reads;
    const float* x;
    const float* kernel;
    float* to;
    Index channel, channels, line, line_end;
    bool fresh;
    std::vector<Term> terms;
    Index count;

    void Meet(Index tap, Index place) {
      if (tap < line || tap >= line_end) return;
      const Index row = std::lower_bound(reads.rows.begin(), reads.rows.end(), place / whole.pairs_) - reads.rows.begin();
      const Index all = whole.geometry_.in_channels;
      terms[count++] = {x + (row * whole.pairs_ + place % whole.pairs_) * all + channel,
                        kernel + (tap * all + channel) * part.vectors * kLanes};
    }

    void Finish(Index place, Index places) {
      const Index width = part.vectors * kLanes;
      const Steps steps{whole.geometry_.in_channels, 1, width, width};
      if (count || fresh)
        Blocks(terms.data(), count, places, channels, steps, to + (place - reads.first) * width, width, part.vectors,
               fresh);
      count = 0;
    }
  };

  // The last axis is cut into tiles of two dilations; of the last one there may be less.
  static Index Pairs(const Axis& axis) {
    return axis.out / (2 * axis.dilation) * axis.dilation + std::min(axis.out % (2 * axis.dilation), axis.dilation);
  }

  Index parts() const { return static_cast<Index>(parts_.size()); }

  Index Band(Index threads) const {
    const Index fair = rows_.places() / (8 * threads);
    return std::max<Index>(64, std::min(fair, kBand));
  }

  const float* Line(const Part& part, int product, Index line) const {
    return const_cast<Winograd*>(this)->Line(part, product, line);
  }

  float* Line(const Part& part, int product, Index line) {
    const Index lines = rows_.taps(), width = part.vectors * kLanes;
    return packed_.data() + geometry_.in_channels * (4 * lines * part.first + (product * lines + line) * width);
  }

  // to[product][row][pair][channel]
  void Transform(const std::vector<Index>& rows, float* to, Index size) const {
    const Axis& axis = geometry_.axes[2];
    const Index channels = geometry_.in_channels, tile = axis.dilation * channels;
    const Index tiles = (pairs_ + axis.dilation - 1) / axis.dilation;
    const Index before = axis.transposed ? 2 * axis.dilation - axis.before : axis.before;
    const Index length = 2 * axis.dilation * (tiles + 1);
    const Index first = std::min(length, std::max<Index>(0, before));
    const Index last = std::max(first, std::min(length, axis.in + before));
    Packed padded(length * channels);
    float* x = padded.data();
    std::fill(x, x + first * channels, 0.0f);
    std::fill(x + last * channels, x + length * channels, 0.0f);
    for (const Index row : rows) {
      if (first < last)
        std::memcpy(x + first * channels, x_ + (row * axis.in + first - before) * channels,
                    (last - first) * channels * sizeof(float));
      for (Index start = 0; start < pairs_ * channels; start += tile, to += tile) {
        const float* from = x + 2 * start;
        const Index count = std::min(tile, pairs_ * channels - start);
        if (count < tile) {
          Tile(from, tile, count, to, size);
          to += count - tile;
        } else {
          Tile(from, tile, tile, to, size);
        }
      }
    }
  }

  static void Tile(const float* from, Index tile, Index count, float* to, Index size) {
    auto at = [](const float* place) { return *reinterpret_cast<const Vector*>(place); };
    Index one = 0;
    for (; one + kLanes <= count; one += kLanes) {
      const Vector x0 = at(from + one), x1 = at(from + tile + one), x2 = at(from + 2 * tile + one),
                   x3 = at(from + 3 * tile + one);
      *reinterpret_cast<Vector*>(to + one) = x0 - x2;
      *reinterpret_cast<Vector*>(to + size + one) = x1 + x2;
      *reinterpret_cast<Vector*>(to + 2 * size + one) = x2 - x1;
      *reinterpret_cast<Vector*>(to + 3 * size + one) = x1 - x3;
    }
    for (; one < count; ++one) {
      const float x0 = from[one], x1 = from[tile + one], x2 = from[2 * tile + one], x3 = from[3 * tile + one];
      to[one] = x0 - x2;
      to[size + one] = x1 + x2;
      to[2 * size + one] = x2 - x1;
      to[3 * size + one] = x1 - x3;
    }
  }

  void Combine(const Reads& reads, const Part& part, const float* products) const {
    const Axis& axis = geometry_.axes[2];
    const Index width = part.vectors * kLanes, pitch = geometry_.out_channels, size = reads.places * kBlock;
    for (Index place = reads.first; place < reads.first + reads.places; ++place, products += width) {
      const Index pair = place % pairs_, at = pair / axis.dilation * 2 * axis.dilation + pair % axis.dilation;
      float* y = y_ + (place / pairs_ * axis.out + at) * pitch + part.first;
      const bool both = at + axis.dilation < axis.out;
      for (Index lane = 0; lane < part.lanes; ++lane) {
        const float m0 = products[lane], m1 = products[size + lane], m2 = products[2 * size + lane];
        y[lane] = m0 + m1 + m2;
        if (both) y[axis.dilation * pitch + lane] = m1 - m2 - products[3 * size + lane];
      }
    }
  }

  const Geometry& geometry_;
  const float* x_;
  Kernel kernel_;
  float* y_;
  Index pairs_;
  Geometry rows_;  // each product's: the last axis has pairs instead of places, and one tap
  std::vector<Part> parts_;
  Plan plan_;
  Packed packed_;
};

}  // namespace dilax

#endif  // DILAX_WINOGRAD_H_
