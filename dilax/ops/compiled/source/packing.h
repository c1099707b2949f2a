// Copies in which what is read together lies together.

#ifndef DILAX_PACKING_H_
#define DILAX_PACKING_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include "vectors.h"

namespace dilax {

// Floats that begin with a cache line, of any value.
class Packed {
 public:
  explicit Packed(Index count) : floats_(new float[count + 16]) {}
  float* data() const {
    return reinterpret_cast<float*>((reinterpret_cast<std::uintptr_t>(floats_.get()) + 63) / 64 * 64);
  }

 private:
  std::unique_ptr<float[]> floats_;
};

// to[row] = from[row] of some lanes, and zeros up to the width.
void CopyRows(const float* from, Index from_pitch, Index lanes, Index rows, float* to, Index width) {
  using Half = VectorOf<kLanes / 2>::Type;
  const Index whole = lanes / kLanes * kLanes, halves = lanes / (kLanes / 2) * (kLanes / 2);
  for (Index row = 0; row < rows; ++row, from += from_pitch, to += width) {
    for (Index lane = 0; lane < whole; lane += kLanes)
      *reinterpret_cast<Vector*>(to + lane) = *reinterpret_cast<const Vector*>(from + lane);
    if (halves > whole) *reinterpret_cast<Half*>(to + whole) = *reinterpret_cast<const Half*>(from + whole);
    for (Index lane = halves; lane < width; ++lane) to[lane] = lane < lanes ? from[lane] : 0.0f;
  }
}

typedef float Four __attribute__((vector_size(16), aligned(sizeof(float)), may_alias));

template <int kA, int kB, int kC, int kD>
Four Shuffle(Four one, Four other) {
#if defined(__clang__)
  return __builtin_shufflevector(one, other, kA, kB, kC, kD);
#else
  typedef int Order __attribute__((vector_size(16)));
  return __builtin_shuffle(one, other, Order{kA, kB, kC, kD});
#endif
}

// to[column][row] = from[row][column]
void Transpose(const float* from, Index from_pitch, Index rows, Index columns, float* to, Index to_pitch) {
  const Index whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
  for (Index row = 0; row < whole_rows; row += 4) {
    for (Index column = 0; column < whole_columns; column += 4) {
      Four in[4];
      for (int one = 0; one < 4; ++one)
        in[one] = *reinterpret_cast<const Four*>(from + (row + one) * from_pitch + column);
      const Four low = Shuffle<0, 4, 1, 5>(in[0], in[1]), high = Shuffle<2, 6, 3, 7>(in[0], in[1]);
      const Four other_low = Shuffle<0, 4, 1, 5>(in[2], in[3]), other_high = Shuffle<2, 6, 3, 7>(in[2], in[3]);
      const Four out[4] = {Shuffle<0, 1, 4, 5>(low, other_low), Shuffle<2, 3, 6, 7>(low, other_low),
                           Shuffle<0, 1, 4, 5>(high, other_high), Shuffle<2, 3, 6, 7>(high, other_high)};
      for (int one = 0; one < 4; ++one) *reinterpret_cast<Four*>(to + (column + one) * to_pitch + row) = out[one];
    }
  }
  for (Index row = 0; row < rows; ++row)
    for (Index column = row < whole_rows ? whole_columns : 0; column < columns; ++column)
      to[column * to_pitch + row] = from[row * from_pitch + column];
}

}  // namespace dilax

#endif  // DILAX_PACKING_H_
