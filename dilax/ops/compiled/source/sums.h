// Sums of float32 numbers, taken in float64.

#ifndef DILAX_SUMS_H_
#define DILAX_SUMS_H_

#include <algorithm>
#include <memory>
#include "vectors.h"

namespace dilax {

// The sums over the middle one of three axes, each over a count.
class Sums {
 public:
  Sums(Index before, Index summed, Index after, Index count, const float* x, float* y)
      : summed_(summed),
        after_(after),
        count_(static_cast<double>(count)),
        x_(x),
        y_(y),
        folded_(std::clamp<Index>(kRow / after, 1, summed)),
        width_(after * folded_),
        rows_((summed + folded_ - 1) / folded_),
        slices_((width_ + kSlice - 1) / kSlice),
        bands_(std::clamp<Index>(std::min(rows_ * std::min(width_, kSlice) / kBandNumbers, kTasks / (before * slices_)),
                                 1, rows_)),
        results_(before * slices_),
        sums_(new double[before * bands_ * width_]) {}

  Index tasks() const { return results_ * bands_; }

  // The sums of a band of rows, of some columns.
  void Compute(Index task) const {
    const Index band = task % bands_, slice = task / bands_ % slices_, one = task / bands_ / slices_;
    const Index first = slice * kSlice, columns = std::min(kSlice, width_ - first);
    const Index begin = rows_ * band / bands_, end = rows_ * (band + 1) / bands_;
    const Index whole = std::min(end, summed_ / folded_);  // the last row may be shorter
    const float* from = x_ + one * summed_ * after_ + begin * width_ + first;
    double* sums = Of(one, band) + first;
    std::fill_n(sums, columns, 0.0);
    Index row = begin;
    for (; row + kMany <= whole; row += kMany, from += kMany * width_) Add<kMany>(from, columns, sums);
    for (; row < whole; ++row, from += width_) Add<1>(from, columns, sums);
    if (row < end) Add<1>(from, summed_ % folded_ * after_, sums);
  }

  Index results() const { return results_; }

  // Adds up the bands' sums of some columns. After all tasks.
  void Finish(Index result) const {
    const Index slice = result % slices_, one = result / slices_;
    const Index first = slice * kSlice, columns = std::min(kSlice, width_ - first);
    double* sums = Of(one, 0) + first;
    for (Index band = 1; band < bands_; ++band)
      for (Index column = 0; column < columns; ++column) sums[column] += Of(one, band)[first + column];
    for (Index column = after_; column < columns; ++column) sums[column % after_] += sums[column];
    float* to = y_ + one * after_ + first;
    for (Index column = 0; column < std::min(columns, after_); ++column) to[column] = static_cast<float>(sums[column] / count_);
  }

 private:
  // Several narrow rows are one of so many numbers; of a wide one so many are a task's.
  static constexpr Index kRow = 8 * kLanes, kSlice = 4096;
  // Numbers for which a task is worth its while, and tasks that keep many threads busy.
  static constexpr Index kBandNumbers = 1 << 15, kTasks = 64;
  static constexpr int kMany = 8;

  double* Of(Index one, Index band) const { return sums_.get() + (one * bands_ + band) * width_; }

  // sums[column] += the numbers of so many rows
  template <int kRows>
  void Add(const float* from, Index columns, double* sums) const {
    constexpr int kHalf = kLanes / 2;
    typedef double Wide __attribute__((vector_size(kHalf * sizeof(double)), aligned(sizeof(double)), may_alias));
    using Half = typename VectorOf<kHalf>::Type;
    Index column = 0;
    for (; column + kHalf <= columns; column += kHalf) {
      Wide* to = reinterpret_cast<Wide*>(sums + column);
      Wide even = *to, odd = {};
#pragma GCC unroll 8
      for (int row = 0; row < kRows; ++row) {
        const Half& read = *reinterpret_cast<const Half*>(from + row * width_ + column);
        (row % 2 ? odd : even) += __builtin_convertvector(read, Wide);
      }
      *to = even + odd;
    }
    for (; column < columns; ++column)
      for (int row = 0; row < kRows; ++row) sums[column] += from[row * width_ + column];
  }

  const Index summed_, after_;
  const double count_;
  const float* x_;
  float* y_;
  const Index folded_, width_, rows_, slices_, bands_, results_;
  const std::unique_ptr<double[]> sums_;
};

}  // namespace dilax

#endif  // DILAX_SUMS_H_
