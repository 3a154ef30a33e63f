// The limits per minute that a user sets. No clock and no locks: an object belongs to one thread
// (the coordinator of a run), which passes the time in. What an endpoint allows is learnt in
// pace.h.
#pragma once

#include "auto_label_image_grounding/base/clock.h"

namespace alig {

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
