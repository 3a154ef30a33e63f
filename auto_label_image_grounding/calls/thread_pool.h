// A small pool for CPU work and file access: one thread per core, not per request in flight.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace alig {

// submit() may be called from any thread. The destructor finishes all submitted tasks.
class ThreadPool {
 public:
  explicit ThreadPool(unsigned threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  enum class Priority {
    kNormal,
    kFirst,  // before everything normal, e.g. an answer that is paid for
  };
  // In the order of submission within a priority. `task` must not throw.
  void submit(std::function<void()> task, Priority priority = Priority::kNormal);
  // Submitted tasks that have not ended. Any thread.
  std::size_t pending() const { return pending_; }

 private:
  void work();
  // These with mutex_ held:
  std::function<void()> next_task();  // empty if there is none
  bool has_task() const;
  bool claim_wake();  // whether the caller has to wake a thread

  std::mutex mutex_;
  std::condition_variable wake_;
  std::array<std::deque<std::function<void()>>, 2> tasks_;  // by priority
  std::size_t idle_ = 0;                                    // waiting threads
  bool waking_ = false;  // one of them has been notified and has not run yet
  bool stopping_ = false;
  std::atomic<std::size_t> pending_{0};
  std::vector<std::thread> threads_;
};

}  // namespace alig
