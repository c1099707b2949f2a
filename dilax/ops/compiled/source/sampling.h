// Weighted sums of an axis's samples at given places.

#ifndef DILAX_SAMPLING_H_
#define DILAX_SAMPLING_H_

#include <algorithm>
#include <cstdint>
#include "vectors.h"

namespace dilax {

// For each sample of a result, over the middle one of three axes: the sum of some samples times their weights.
class Sampling {
 public:
  // Of every tap, for each sample of the result, the place that it reads, or -1, and its weight.
  Sampling(Index before, Index size, Index after, Index taps, Index outputs, const float* x, const std::int32_t* places,
           const float* weights, float* y)
      : size_(size),
        after_(after),
        taps_(taps),
        outputs_(outputs),
        x_(x),
        places_(places),
        weights_(weights),
        y_(y),
        rows_(before * outputs),
        rows_of_task_(std::max<Index>(1, kNumbers / (after * taps))) {}

  Index tasks() const { return (rows_ + rows_of_task_ - 1) / rows_of_task_; }

  // Some rows of the result: all numbers that lie behind the axis.
  void Compute(Index task) const {
    const Index end = std::min(rows_, (task + 1) * rows_of_task_);
    for (Index row = task * rows_of_task_; row < end; ++row) {
      const float* from = x_ + row / outputs_ * size_ * after_;
      float* to = y_ + row * after_;
      if (after_ >= kLanes)
        Row<kLanes>(from, row % outputs_, to);
      else if (after_ >= 4)
        Row<4>(from, row % outputs_, to);
      else
        Row<1>(from, row % outputs_, to);
    }
  }

 private:
  // Numbers that a task reads.
  static constexpr Index kNumbers = 1 << 15;

  // The last vector overlaps the one before.
  template <int kWide>
  void Row(const float* from, Index output, float* to) const {
    Index number = 0;
    for (; number + 4 * kWide <= after_; number += 4 * kWide) Vectors<kWide, 4>(from + number, output, to + number);
    for (; number < after_; number += kWide) {
      const Index first = std::min(number, after_ - kWide);
      Vectors<kWide, 1>(from + first, output, to + first);
    }
  }

  template <int kWide, int kMany>
  void Vectors(const float* from, Index output, float* to) const {
    using Vector = typename VectorOf<kWide>::Type;
    Vector sums[kMany] = {};
    for (Index tap = 0; tap < taps_; ++tap) {
      const Index place = places_[tap * outputs_ + output];
      if (place < 0) continue;
      const float weight = weights_[tap * outputs_ + output], *read = from + place * after_;
#pragma GCC unroll 4
      for (int vec = 0; vec < kMany; ++vec) sums[vec] += weight * *reinterpret_cast<const Vector*>(read + vec * kWide);
    }
#pragma GCC unroll 4
    for (int vec = 0; vec < kMany; ++vec) *reinterpret_cast<Vector*>(to + vec * kWide) = sums[vec];
  }

  const Index size_, after_, taps_, outputs_;
  const float* x_;
  const std::int32_t* places_;
  const float* weights_;
  float* y_;
  const Index rows_, rows_of_task_;
};

}  // namespace dilax

#endif  // DILAX_SAMPLING_H_
