// Time as an interface, so that waiting can be tested without waiting.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

namespace alig {

using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

inline Duration duration_of(double seconds) {
  return std::chrono::ceil<Duration>(std::chrono::duration<double>(seconds));
}
inline double in_seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

class Clock {
 public:
  virtual ~Clock() = default;
  // Monotonic. May be called from any thread.
  virtual TimePoint now() const = 0;
  // Wall-clock time, only for HTTP dates and reports. May be called from any thread.
  virtual std::chrono::system_clock::time_point wall_now() const = 0;
  // Waits on `wake` until `ready()` (called under `lock`) or `until`. A test clock need not wait:
  // it may move itself forward instead.
  virtual void wait(std::unique_lock<std::mutex>& lock, std::condition_variable& wake,
                    TimePoint until, const std::function<bool()>& ready) const {
    const Duration rest = until - now();
    if (rest > Duration::zero()) wake.wait_for(lock, rest, ready);
  }
};

class SystemClock final : public Clock {
 public:
  TimePoint now() const override { return std::chrono::steady_clock::now(); }
  std::chrono::system_clock::time_point wall_now() const override {
    return std::chrono::system_clock::now();
  }
};

}  // namespace alig
