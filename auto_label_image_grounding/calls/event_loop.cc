#include "auto_label_image_grounding/calls/event_loop.h"

#include <algorithm>
#include <utility>

namespace alig {

void EventLoop::post(std::function<void()> event) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(event));
  }
  wake_.notify_one();
}

void EventLoop::at(TimePoint time, std::function<void()> event) {
  timers_.emplace(time, std::move(event));
}

void EventLoop::clear() {
  timers_.clear();
  // Events own things whose destructors may post: those are dropped too.
  while (!std::exchange(posted_, {}).empty()) continue;
}

std::deque<std::function<void()>> EventLoop::take_posted(TimePoint wake_at) {
  std::unique_lock lock(mutex_);
  clock_.wait(lock, wake_, wake_at, [this] { return !posted_.empty(); });
  return std::exchange(posted_, {});
}

void EventLoop::run_due_timers() {
  while (!timers_.empty() && timers_.begin()->first <= clock_.now()) {
    const std::function<void()> event = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    event();
  }
}

void EventLoop::run(const std::function<bool()>& done, Duration interval,
                    const std::function<void()>& tick) {
  TimePoint next_tick = clock_.now();
  while (!done()) {
    if (clock_.now() >= next_tick) {
      tick();
      next_tick = clock_.now() + interval;
      continue;
    }
    const TimePoint wake_at =
        timers_.empty() ? next_tick : std::min(next_tick, timers_.begin()->first);
    for (const auto& event : take_posted(wake_at)) event();
    run_due_timers();
  }
}

}  // namespace alig
