#include "auto_label_image_grounding/calls/rate_limit.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace alig {
namespace {

// Back from half to `max` within 16 round trips, however large `max` is: one more per round trip
// would need an hour for 500.
constexpr double kStepsToFull = 32;

// Costs come from servers' counts: a nonsensical one must not overflow a time.
constexpr double kLongestWaitSeconds = 24 * 3600;

}  // namespace

ConcurrencyLimiter::ConcurrencyLimiter(int max, int start)
    : max_(std::max(max, 1)),
      limit_(start > 0 ? std::min<double>(start, max_) : max_),
      lowest_(static_cast<int>(limit_)) {}

std::optional<ConcurrencyLimiter::Ticket> ConcurrencyLimiter::try_acquire() {
  if (in_flight_ >= limit()) return std::nullopt;
  ++in_flight_;
  return Ticket{round_};
}

void ConcurrencyLimiter::release(Ticket ticket, Outcome outcome) {
  --in_flight_;
  if (ticket.round != round_) return;  // sent before the last decrease
  if (outcome == Outcome::kOverload) shrink();
  if (outcome == Outcome::kSuccess) grow();
}

void ConcurrencyLimiter::shrink() {
  limit_ = std::max(1.0, std::floor(limit_ / 2));
  lowest_ = std::min(lowest_, limit());
  slow_start_ = false;
  ++round_;
}

// Per success 1/limit of a step, so that a round trip of successes adds one step; and never more
// than one per success, which doubles the limit in a round trip.
void ConcurrencyLimiter::grow() {
  const double step = std::max(1.0, max_ / kStepsToFull);
  const double gain = slow_start_ ? 1.0 : std::min(1.0, step / limit_);
  limit_ = std::min(max_, limit_ + gain);
}

TokenBucket::TokenBucket(double per_minute, double capacity, TimePoint now)
    : rate_(std::max(per_minute, 0.0) / 60),
      capacity_(std::max(capacity, 1.0)),
      level_(capacity_),
      updated_(now) {}

TimePoint TokenBucket::ready_at(double cost) const {
  const double missing = std::min(cost, capacity_) - level_;
  if (rate_ <= 0 || missing <= 0) return updated_;
  const std::chrono::duration<double> wait(std::min(missing / rate_, kLongestWaitSeconds));
  return updated_ + std::chrono::ceil<Duration>(wait);
}

void TokenBucket::take(double cost, TimePoint now) {
  if (rate_ <= 0) return;
  const std::chrono::duration<double> passed = std::max(now, updated_) - updated_;
  level_ = std::min(capacity_, level_ + passed.count() * rate_) - cost;
  updated_ = std::max(now, updated_);
}

void TokenBucket::correct(double delta) {
  const double minute = 60 * rate_;
  level_ = std::min(capacity_, level_ - std::clamp(delta, -minute, minute));
}

}  // namespace alig
