// The inner loops: a block of places times a block of output channels, kept in registers while all is summed.

#ifndef DILAX_BLOCKS_H_
#define DILAX_BLOCKS_H_

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <optional>
#include <vector>
#include "vectors.h"

namespace dilax {

// Where a tap's input channels begin, in the array that is read and in the packed kernel.
struct Term {
  const float* x;
  const float* kernel;
};

// How a block's operands lie in memory: the steps from place to place and from channel to channel.
struct Steps {
  Index x_place, x_channel, kernel_channel, y_place;
  Index joined = 0;  // output channels of each of the groups that share a vector, and input channels of each
};

// Into how many sums of every so many-th channel a sum is split where there are few: each addition waits for the one
// before, and the error grows with the length.
constexpr int Split(int sums) {
  int split = 8;
  while (split * sums > kSums) split /= 2;
  return split ? split : 1;
}

// A block's sums into y, or added to it.
template <int kWide, int kMany, int kVecs>
inline __attribute__((always_inline)) void Store(const typename VectorOf<kWide>::Type (&sums)[kMany][kVecs], Index y_place,
                                                 float* y, Index lanes, bool fresh) {
  using Vector = typename VectorOf<kWide>::Type;
  if (lanes == kVecs * kWide) {
#pragma GCC unroll 32
    for (int place = 0; place < kMany; ++place) {
#pragma GCC unroll 4
      for (int vec = 0; vec < kVecs; ++vec) {
        Vector* to = reinterpret_cast<Vector*>(y + place * y_place + vec * kWide);
        *to = fresh ? sums[place][vec] : sums[place][vec] + *to;
      }
    }
  } else {
    float row[kVecs * kWide];
    for (int place = 0; place < kMany; ++place) {
      std::memcpy(row, sums[place], sizeof(row));
      float* to = y + place * y_place;
      for (Index lane = 0; lane < lanes; ++lane) to[lane] = fresh ? row[lane] : row[lane] + to[lane];
    }
  }
}

// kMany places times kVecs vectors of kWide output channels: y (+)= sum over terms and channels, from so far behind the
// terms' x on. Without a split it is a sum
// of sums of so many terms: the error grows with the length.
template <int kWide, int kMany, int kVecs>
void Block(const Term* terms, Index count, Index together, Index channels, const Steps& steps, Index shift, float* y,
           Index lanes, bool fresh) {
  constexpr int kSplit = Split(kMany * kVecs);
  using Vector = typename VectorOf<kWide>::Type;
  Vector sums[kSplit][kMany][kVecs];
#pragma GCC unroll 8
  for (int split = 0; split < kSplit; ++split)
#pragma GCC unroll 32
    for (int place = 0; place < kMany; ++place)
#pragma GCC unroll 4
      for (int vec = 0; vec < kVecs; ++vec) sums[split][place][vec] = Vector{};
  const Index x_place = steps.x_place, x_channel = steps.x_channel, kernel_channel = steps.kernel_channel;
  Vector before[kMany][kVecs];
  Index left = together;
  bool summed = false;
  for (Index term = 0; term < count; ++term) {
    if (kSplit == 1 && left-- == 0) {
#pragma GCC unroll 32
      for (int place = 0; place < kMany; ++place) {
#pragma GCC unroll 4
        for (int vec = 0; vec < kVecs; ++vec) {
          before[place][vec] = summed ? before[place][vec] + sums[0][place][vec] : sums[0][place][vec];
          sums[0][place][vec] = Vector{};
        }
      }
      summed = true;
      left = together - 1;
    }
    const float* kernel = terms[term].kernel;
    // A pointer for every third place: the two after it are within reach of one addressing mode.
    constexpr int kPointers = (kMany + 2) / 3;
    const float* x[kPointers];
#pragma GCC unroll 8
    for (int one = 0; one < kPointers; ++one) x[one] = terms[term].x + shift + 3 * one * x_place;
    const auto add = [&](Vector(&into)[kMany][kVecs]) __attribute__((always_inline)) {
      Vector weights[kVecs];
#pragma GCC unroll 4
      for (int vec = 0; vec < kVecs; ++vec) {
        weights[vec] = *reinterpret_cast<const Vector*>(kernel + vec * kWide);
#if defined(__x86_64__)
        // They stay in registers: the compiler would load them again for every place, or overwrite and copy them.
        if constexpr (kMany > 1) asm("" : "+v"(weights[vec]));
#endif
      }
#pragma GCC unroll 32
      for (int place = 0; place < kMany; ++place) {
        const float value = x[place / 3][place % 3 * x_place];
#pragma GCC unroll 4
        for (int vec = 0; vec < kVecs; ++vec) into[place][vec] += value * weights[vec];
      }
#pragma GCC unroll 8
      for (int one = 0; one < kPointers; ++one) x[one] += x_channel;
      kernel += kernel_channel;
    };
    Index channel = 0;
    for (; channel + kSplit <= channels; channel += kSplit) {
#pragma GCC unroll 8
      for (int split = 0; split < kSplit; ++split) add(sums[split]);
    }
#pragma GCC unroll 8
    for (int split = 0; split < kSplit; ++split)
      if (channel + split < channels) add(sums[split]);
  }
  if (kSplit > 1)
    for (int half = kSplit / 2; half; half /= 2)
      for (int split = 0; split < half; ++split)
        for (int place = 0; place < kMany; ++place)
          for (int vec = 0; vec < kVecs; ++vec) sums[split][place][vec] += sums[split + half][place][vec];
  if (summed)
#pragma GCC unroll 32
    for (int place = 0; place < kMany; ++place)
#pragma GCC unroll 4
      for (int vec = 0; vec < kVecs; ++vec) sums[0][place][vec] += before[place][vec];
  Store<kWide>(sums[0], steps.y_place, y, lanes, fresh);
}

using BlockFunction = void (*)(const Term*, Index, Index, Index, const Steps&, Index, float*, Index, bool);
using TripleFunction = void (*)(const Term*, Index, Index, Index, const Steps&, Index, float*, Index, bool, bool, bool);

// What lies before or behind a row.
alignas(64) constexpr float kZeros[kSummed] = {};

// As Block, where three terms each lie steps.x_place apart: each number that is read goes to three places. For one vector of
// output channels, which otherwise waits for what is read. The first place that is read may lie before its row, the last
// behind it: zeros are read there. Where groups share a vector, each lane takes the channel of its own group.
template <int kWide, int kMany, bool kJoined>
void Triple(const Term* terms, Index count, Index together, Index channels, const Steps& steps, Index shift, float* y,
            Index lanes, bool fresh, bool before_row, bool behind_row) {
  constexpr int kSplit = 2 * kMany > kSums ? 1 : 2;
  using Vector = typename VectorOf<kWide>::Type;
  Vector sums[kSplit][kMany][1], before[kMany][1];
#pragma GCC unroll 32
  for (int place = 0; place < kMany; ++place) {
#pragma GCC unroll 2
    for (int split = 0; split < kSplit; ++split) sums[split][place][0] = Vector{};
    before[place][0] = Vector{};
  }
  const Index x_place = steps.x_place, x_channel = kJoined ? 0 : steps.x_channel, kernel_channel = steps.kernel_channel;
  Index left = together;
  for (Index term = 0; term < count; term += 3) {
    Picked picked(steps.joined);
    if (left-- == 0) {
#pragma GCC unroll 32
      for (int place = 0; place < kMany; ++place) {
#pragma GCC unroll 2
        for (int split = 0; split < kSplit; ++split) {
          before[place][0] += sums[split][place][0];
          sums[split][place][0] = Vector{};
        }
      }
      left = together - 1;
    }
    const float* kernels[3] = {terms[term].kernel, terms[term + 1].kernel, terms[term + 2].kernel};
    // One for the first place, one for each three between, one for the last.
    constexpr int kPointers = (kMany + 2) / 3 + 2, kLast = kPointers - 1;
    const float* const from = terms[term].x + shift;
    const float* x[kPointers];
    x[0] = before_row ? kZeros : from;
#pragma GCC unroll 16
    for (int one = 1; one < kLast; ++one) x[one] = from + (3 * one - 2) * x_place;
    x[kLast] = behind_row ? kZeros : from + (kMany + 1) * x_place;
    const auto add = [&](Vector(&into)[kMany][1]) __attribute__((always_inline)) {
      Vector weights[3];
#pragma GCC unroll 4
      for (int tap = 0; tap < 3; ++tap) {
        weights[tap] = *reinterpret_cast<const Vector*>(kernels[tap]);
        kernels[tap] += kernel_channel;
#if defined(__x86_64__)
        asm("" : "+v"(weights[tap]));
#endif
      }
#pragma GCC unroll 32
      for (int place = 0; place < kMany + 2; ++place) {
        const float* from = place > kMany ? x[kLast] : x[(place + 2) / 3] + (place + 2) % 3 * (place ? x_place : 0);
        Vector values;
        if constexpr (kJoined)
          values = picked.Of(from);
        else
          values = *from - Vector{};
#if defined(__x86_64__)
        asm("" : "+v"(values));  // read once, not once for each tap
#endif
#pragma GCC unroll 4
        for (int tap = 0; tap < 3; ++tap)
          if (place >= tap && place - tap < kMany) into[place - tap][0] += values * weights[tap];
      }
      if constexpr (kJoined)
        picked.Next();
      else
#pragma GCC unroll 16
        for (int one = 0; one < kPointers; ++one) x[one] += x_channel;
    };
    Index channel = 0;
    for (; channel + kSplit <= channels; channel += kSplit) {
#pragma GCC unroll 2
      for (int split = 0; split < kSplit; ++split) add(sums[split]);
    }
    if (channel < channels) add(sums[0]);
  }
#pragma GCC unroll 32
  for (int place = 0; place < kMany; ++place) {
#pragma GCC unroll 2
    for (int split = 0; split < kSplit; ++split) before[place][0] += sums[split][place][0];
  }
  Store<kWide>(before, steps.y_place, y, lanes, fresh);
}

// Places of a Triple: more have no register, and half of the least that are split are the fewest. Of half of the most each
// has two sums.
constexpr int kMost = kLanes < 16 ? kSums - 1 : kSums, kFewest = kSums / 4;
// Of fewer places a row's share would wait for its own sums.
constexpr Index kLeast = 6;

template <int kWide, int kMany, bool kJoined = false>
TripleFunction ChooseTriple(Index many) {
  if constexpr (kMany == kFewest) {
    return Triple<kWide, kFewest, kJoined>;
  } else {
    return many == kMany ? Triple<kWide, kMany, kJoined> : ChooseTriple<kWide, kMany - 1, kJoined>(many);
  }
}

template <int kWide, int kVecs, int kMany>
BlockFunction Choose(Index many) {
  if constexpr (kMany == 1) {
    return Block<kWide, 1, kVecs>;
  } else {
    return many == kMany ? Block<kWide, kMany, kVecs> : Choose<kWide, kVecs, kMany - 1>(many);
  }
}

// Output channels: of whole vectors, or of half a one, which the machine computes twice as fast or with less power.
struct Part {
  Index first, lanes;
  int vectors, wide;

  // Of the packed kernel.
  Index width() const { return vectors * wide; }
};

// Of `left` places, how many to compute next, if a block has so many: two even blocks are faster than a full one and a rest
// of a few.
inline Index Next(Index left, Index most) {
  return left >= 2 * most || left <= most ? std::min(left, most) : (left + 1) / 2;
}

// The step from term to term, in places, if the terms are threes with that step in between; or 0.
Index Apart(const Term* terms, Index count, Index x_place) {
  if (count == 0 || count % 3) return 0;
  const Index step = terms[1].x - terms[0].x;
  if (step % x_place) return 0;
  for (Index term = 0; term < count; term += 3)
    if (terms[term + 1].x - terms[term].x != step || terms[term + 2].x - terms[term + 1].x != step) return 0;
  return step / x_place;
}

// The columns of the row that is read, and the one that the first place's first term reads: before them, if negative.
struct Columns {
  Index first = 0, count = std::numeric_limits<Index>::max();
};

// All places by Triple: of those `apart` steps apart one class after the other.
void Triples(const Term* terms, Index count, Index together, Index places, Index channels, const Steps& steps, float* y,
             const Part& part, bool fresh, Index apart, const Columns& columns) {
  const Steps wide{apart * steps.x_place, steps.x_channel, steps.kernel_channel, apart * steps.y_place,
                   steps.joined};
  const Index most = together < 3 ? kSums / 2 : kMost;  // of one sum, three terms would be too many
  for (Index first = 0; first < apart; ++first) {
    const Index members = (places - first + apart - 1) / apart;
    for (Index done = 0; done < members;) {
      const Index many = Next(members - done, most), place = first + done * apart;
      const TripleFunction compute = steps.joined         ? ChooseTriple<kLanes, kMost, kJoins>(many)
                                     : part.wide < kLanes ? ChooseTriple<kLanes / 2, kMost>(many)
                                                          : ChooseTriple<kLanes, kMost>(many);
      compute(terms, count, std::max<Index>(1, together / 3), channels, wide, place * steps.x_place,
              y + place * steps.y_place, part.lanes, fresh, columns.first + place < 0,
              columns.first + place + (many + 1) * apart >= columns.count);
      done += many;
    }
  }
}

// The axis with a row as long as Triple may read, of which so many places are missing before the first that is there; if it
// is for Triple.
struct WholeRow {
  Axis axis;
  Index before;
};

inline std::optional<WholeRow> ForTriple(const Axis& axis) {
  const Index reach = 2 * axis.dilation;
  if (axis.taps != 3 || axis.stride > 1 || axis.out < kLeast * axis.dilation || axis.out > kBand) return {};
  const Index first = axis.transposed ? axis.before - reach : -axis.before, last = first + axis.out - 1 + reach;
  const Index before = std::max<Index>(0, -first), behind = std::max<Index>(0, last + 1 - axis.in);
  if (before > axis.dilation || behind > axis.dilation) return {};
  WholeRow row{axis, before};
  row.axis.in += before + behind;
  row.axis.before += axis.transposed ? before : -before;
  return row;
}

// Any number of places. The terms' order may change. With columns, which not all terms meet at every place, the places are
// those of WholeRow.
void Blocks(Term* terms, Index count, Index together, Index places, Index channels, const Steps& steps, float* y,
            const Part& part, bool fresh, const Columns& columns = {}) {
  if (part.vectors == 1) {
    const Index apart = Apart(terms, count, steps.x_place);
    if (apart < 0)
      for (Index term = 0; term < count; term += 3) std::swap(terms[term], terms[term + 2]);
    if (apart && places >= kLeast * std::abs(apart))
      return Triples(terms, count, together, places, channels, steps, y, part, fresh, std::abs(apart), columns);
  }
  const Index most = kSums / part.vectors;
  for (Index done = 0; done < places;) {
    const Index many = Next(places - done, most);
    const BlockFunction compute = part.wide < kLanes  ? Choose<kLanes / 2, 1, kSums>(many)
                                  : part.vectors == 3 ? Choose<kLanes, 3, kSums / 3>(many)
                                  : part.vectors == 2 ? Choose<kLanes, 2, kSums / 2>(many)
                                                      : Choose<kLanes, 1, kSums>(many);
    compute(terms, count, together, channels, steps, done * steps.x_place, y + done * steps.y_place, part.lanes, fresh);
    done += many;
  }
}

// Output channels in blocks of one to three vectors: pairs, and a triple where a vector would be left alone.
std::vector<Part> Parts(Index channels) {
  std::vector<Part> parts;
  for (Index first = 0; first < channels;) {
    const Index left = (channels - first + kLanes - 1) / kLanes;
    const int vectors = left == 1 || left == 3 ? left : 2;
    const Index lanes = std::min<Index>(vectors * kLanes, channels - first);
    parts.push_back({first, lanes, vectors, 2 * lanes <= kLanes ? kLanes / 2 : kLanes});
    first += lanes;
  }
  return parts;
}

}  // namespace dilax

#endif  // DILAX_BLOCKS_H_
