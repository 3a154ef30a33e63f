#include "auto_label_image_grounding/calls/rate_limit.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace alig {
namespace {

// Costs come from servers' counts: a nonsensical one must not overflow a time.
constexpr double kLongestWaitSeconds = 24 * 3600;

}  // namespace

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
