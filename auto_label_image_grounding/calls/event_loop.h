// The coordinator's loop. All state of a run belongs to the one thread that calls run(); pool and
// transport threads only post their results. So that state needs no locks.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>

#include "auto_label_image_grounding/base/clock.h"

namespace alig {

class EventLoop {
 public:
  explicit EventLoop(const Clock& clock) : clock_(clock) {}

  // From any thread: `event` runs on the loop's thread.
  void post(std::function<void()> event);
  // From the loop's thread only: `event` runs once at `time` or soon after.
  void at(TimePoint time, std::function<void()> event);

  // Runs events until `done()` (checked between events). `tick` is called at least every
  // `interval`, to check signals and show progress.
  void run(const std::function<bool()>& done, Duration interval, const std::function<void()>& tick);

  // Drops all posted events and pending timers. From the loop's thread, when no thread posts any
  // more.
  void clear();

 private:
  std::deque<std::function<void()>> take_posted(TimePoint wake_at);
  void run_due_timers();

  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> posted_;
  std::multimap<TimePoint, std::function<void()>> timers_;
};

}  // namespace alig
