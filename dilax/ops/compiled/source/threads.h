// Work shared among the threads of XLA's pool.

#ifndef DILAX_THREADS_H_
#define DILAX_THREADS_H_

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include "xla/ffi/api/ffi.h"
#include "geometry.h"

namespace dilax {

// Tasks of one kind, in any order and at the same time.
struct Tasks {
  Index count;
  std::function<void(Index)> run;
};

// Kinds of tasks, each of which begins when all of the one before are done.
class Work {
 public:
  explicit Work(std::initializer_list<Tasks> kinds) {
    for (const Tasks& tasks : kinds) stages_.emplace_back(tasks);
  }

  // Takes tasks until none are left, and tells `done` if the last one of all was among them. A thread that comes late
  // finds nothing and touches nothing.
  void Run(xla::ffi::Promise& done) {
    for (Stage& stage : stages_) {
      for (Index task; (task = stage.next.fetch_add(1)) < stage.tasks.count;) {
        stage.tasks.run(task);
        if (stage.done.fetch_add(1, std::memory_order_acq_rel) + 1 == stage.tasks.count && &stage == &stages_.back())
          done.SetAvailable();
      }
      if (&stage != &stages_.back())
        while (stage.done.load(std::memory_order_acquire) < stage.tasks.count) std::this_thread::yield();
    }
  }

  Index most() const {
    Index count = 0;
    for (const Stage& stage : stages_) count = std::max(count, stage.tasks.count);
    return count;
  }

 private:
  struct Stage {
    explicit Stage(Tasks tasks) : tasks(std::move(tasks)) {}
    Tasks tasks;
    std::atomic<Index> next{0}, done{0};
  };
  std::deque<Stage> stages_;
};

// Does the work on this thread and those of XLA's pool, or on this thread alone where waking others takes longer. As many
// others are woken as the pool has, one more than there are processors: the kernel may wake one on this thread's processor,
// where it waits, while another processor sleeps. Who comes late finds nothing to do.
inline xla::ffi::Future Start(xla::ffi::ThreadPool& pool, bool alone, std::initializer_list<Tasks> kinds) {
  auto work = std::make_shared<Work>(kinds);
  xla::ffi::Promise done;
  xla::ffi::Future future(done);
  const Index threads = alone ? 1 : std::min<Index>(pool.num_threads(), work->most());
  if (threads > 1)
    for (Index thread = 0; thread < threads; ++thread) pool.Schedule([work, done]() mutable { work->Run(done); });
  work->Run(done);
  return future;
}

}  // namespace dilax

#endif  // DILAX_THREADS_H_
