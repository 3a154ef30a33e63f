// A small pool for CPU work and file access: threads are for cores, not for requests in flight.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace alig {

// submit() may be called from any thread. The destructor finishes what was submitted.
class ThreadPool {
 public:
  explicit ThreadPool(unsigned threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // `task` must not throw.
  void submit(std::function<void()> task);
  // Tasks that were submitted and have not ended. Any thread.
  std::size_t pending() const { return pending_; }

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;
  std::atomic<std::size_t> pending_{0};
  std::vector<std::thread> threads_;
};

}  // namespace alig
