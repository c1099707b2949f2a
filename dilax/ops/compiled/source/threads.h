// Work shared among the threads of XLA's pool.

#ifndef DILAX_THREADS_H_
#define DILAX_THREADS_H_

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include "xla/ffi/api/ffi.h"
#include "geometry.h"

namespace dilax {

// Runs work(0), work(1), … on the threads of XLA's pool and on this one; returns when all are done. A thread that comes
// late finds nothing left and touches nothing, so a busy pool delays nobody.
template <typename Work>
void ForEach(xla::ffi::ThreadPool& pool, Index count, const Work& work) {
  struct State {
    std::atomic<Index> next{0}, done{0};
  };
  auto state = std::make_shared<State>();
  auto run = [state, count, &work] {
    for (Index index; (index = state->next.fetch_add(1)) < count;) {
      work(index);
      state->done.fetch_add(1, std::memory_order_release);
    }
  };
  const Index helpers = std::min<Index>(pool.num_threads(), count) - 1;
  for (Index helper = 0; helper < helpers; ++helper) pool.Schedule(decltype(run)(run));
  run();
  while (state->done.load(std::memory_order_acquire) < count) std::this_thread::yield();
}

}  // namespace dilax

#endif  // DILAX_THREADS_H_
