#include "auto_label_image_grounding/calls/thread_pool.h"

#include <algorithm>
#include <utility>

namespace alig {

ThreadPool::ThreadPool(unsigned threads) {
  for (unsigned i = 0; i < std::max(1U, threads); ++i) threads_.emplace_back([this] { work(); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::submit(std::function<void()> task, Priority priority) {
  ++pending_;
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    tasks_[static_cast<std::size_t>(priority)].push_back(std::move(task));
    wake = claim_wake();
  }
  if (wake) wake_.notify_one();
}

// Waking a thread costs as much as a small task: one is on its way at a time, and wakes the next
// where work is left for it.
bool ThreadPool::claim_wake() {
  if (waking_ || idle_ == 0) return false;
  return waking_ = true;
}

bool ThreadPool::has_task() const {
  return std::any_of(tasks_.begin(), tasks_.end(),
                     [](const auto& queue) { return !queue.empty(); });
}

std::function<void()> ThreadPool::next_task() {
  for (const Priority priority : {Priority::kFirst, Priority::kNormal}) {
    auto& queue = tasks_[static_cast<std::size_t>(priority)];
    if (queue.empty()) continue;
    std::function<void()> task = std::move(queue.front());
    queue.pop_front();
    return task;
  }
  return {};
}

void ThreadPool::work() {
  for (;;) {
    std::function<void()> task;
    bool wake = false;
    {
      std::unique_lock lock(mutex_);
      while (!(task = next_task()) && !stopping_) {
        ++idle_;
        wake_.wait(lock);
        --idle_;
        waking_ = false;
      }
      wake = has_task() && claim_wake();
    }
    if (wake) wake_.notify_one();
    if (!task) return;
    task();
    task = nullptr;  // what it holds goes before it counts as ended
    --pending_;
  }
}

}  // namespace alig
