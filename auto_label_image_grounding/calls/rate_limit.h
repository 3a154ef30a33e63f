// Limits on concurrent requests and on requests per minute. No clock and no locks: these objects
// belong to one thread (the coordinator of a run), which passes the time in.
#pragma once

#include <cstdint>
#include <optional>

#include "auto_label_image_grounding/base/clock.h"

namespace alig {

// Additive increase, multiplicative decrease. An overload halves the limit at most once per round
// trip: requests that were already in flight when it was halved say nothing about the new limit.
class ConcurrencyLimiter {
 public:
  enum class Outcome {
    kSuccess,   // the endpoint did its work (usable answer or not): room to grow
    kOverload,  // 429, 503, timeout (Decision::slow_down)
    kNeutral,   // anything else: no information about the load
  };
  // Returned by try_acquire, passed back to release.
  struct Ticket {
    std::uint64_t round = 0;
  };

  // At most `max` (at least 1) at once. `start` > 0: starts there and doubles per round trip until
  // the first overload.
  explicit ConcurrencyLimiter(int max, int start = 0);

  std::optional<Ticket> try_acquire();
  void release(Ticket ticket, Outcome outcome);

  int in_flight() const { return in_flight_; }
  int limit() const { return static_cast<int>(limit_); }  // never below 1
  // Lowest value of limit() so far, for the summary.
  int lowest_limit() const { return lowest_; }

 private:
  void shrink();
  void grow();

  double max_;
  double limit_;
  int lowest_;
  bool slow_start_ = true;
  int in_flight_ = 0;
  std::uint64_t round_ = 0;  // how often the limit was halved
};

// A token bucket that one large cost may overdraw: a request that needs more than the whole bucket
// waits for a full one, and its debt delays those after it.
class TokenBucket {
 public:
  // `per_minute` 0: no limit. `capacity` (at least 1) is what may be spent at once after a pause;
  // the bucket starts full. In any minute at most per_minute + capacity - 1 are spent if costs are
  // 1: with capacity 1 never more than per_minute.
  TokenBucket(double per_minute, double capacity, TimePoint now);

  // The earliest time for a request of that cost; may lie in the past. Constant until take() or
  // correct() is called.
  TimePoint ready_at(double cost) const;
  // Pays; call it at ready_at(cost) or later.
  void take(double cost, TimePoint now);
  // The real cost turned out to be `delta` above (or, negative, below) what was taken. Capped at
  // one minute's allowance: what an answer claims must not stop the run.
  void correct(double delta);

 private:
  double rate_;  // per second; 0: no limit
  double capacity_;
  double level_;
  TimePoint updated_;
};

}  // namespace alig
