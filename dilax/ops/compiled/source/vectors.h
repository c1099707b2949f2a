// The machine's vectors, and how much its registers and caches hold.

#ifndef DILAX_VECTORS_H_
#define DILAX_VECTORS_H_

#include "geometry.h"
#if defined(__AVX__)
#include <immintrin.h>
#endif

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

// Of groups that lie side by side in a vector, each with so many channels, one channel for all lanes of its group; of all
// channels one after the other.
#if defined(__AVX512F__)
constexpr bool kJoins = true;
class Picked {
 public:
  explicit Picked(Index channels)
      : lanes_(_mm512_and_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                                _mm512_set1_epi32(static_cast<int>(-channels)))) {}
  Vector Of(const float* from) const { return _mm512_permutexvar_ps(lanes_, _mm512_loadu_ps(from)); }
  void Next() { lanes_ = _mm512_add_epi32(lanes_, _mm512_set1_epi32(1)); }

 private:
  __m512i lanes_;
};
#elif defined(__AVX2__)
constexpr bool kJoins = true;
class Picked {
 public:
  explicit Picked(Index channels)
      : lanes_(_mm256_and_si256(_mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0),
                                _mm256_set1_epi32(static_cast<int>(-channels)))) {}
  Vector Of(const float* from) const { return _mm256_permutevar8x32_ps(_mm256_loadu_ps(from), lanes_); }
  void Next() { lanes_ = _mm256_add_epi32(lanes_, _mm256_set1_epi32(1)); }

 private:
  __m256i lanes_;
};
#else
constexpr bool kJoins = false;
struct Picked {
  explicit Picked(Index) {}
  Vector Of(const float*) const;  // never called
  void Next();
};
#endif

}  // namespace dilax

#endif  // DILAX_VECTORS_H_
