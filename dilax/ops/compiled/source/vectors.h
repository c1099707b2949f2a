// The machine's vectors, and how much its registers and caches hold.

#ifndef DILAX_VECTORS_H_
#define DILAX_VECTORS_H_

#include "geometry.h"

namespace dilax {

#if defined(__AVX512F__)
constexpr int kLanes = 16, kSums = 24;  // of 32 registers
#elif defined(__AVX__)
constexpr int kLanes = 8, kSums = 12;  // of 16
#else
constexpr int kLanes = 4, kSums = 24;
#endif
// Vectors of output channels that a block sums at most. The fewer there are, the more places stand beside them.
constexpr int kVectors = 3;
constexpr Index kBlock = kLanes * kVectors;
// Rows of packed kernel that are summed before the next ones: what the first cache holds.
constexpr Index kDepth = 384;
// Products that are summed before their sum is added to others, at most.
constexpr Index kSummed = 128;
// Places of the result that share a packed kernel, and numbers that they read: what the second cache holds.
constexpr Index kBand = 512, kBandReads = 1 << 17;

// A vector of so many floats, at any address.
template <int kWide>
struct VectorOf {
  typedef float Type __attribute__((vector_size(kWide * sizeof(float)), aligned(sizeof(float)), may_alias));
};
typedef VectorOf<kLanes>::Type Vector;

}  // namespace dilax

#endif  // DILAX_VECTORS_H_
