#include "auto_label_image_grounding/calls/breaker.h"

#include <algorithm>

namespace alig {
namespace {

constexpr Duration kFirstInterval = std::chrono::seconds(1);
constexpr Duration kLongestInterval = std::chrono::seconds(30);

// So many in a row open the breaker. As for Breaker::enough_: where three of ten requests fail at
// random, eight different ones do so in a row once in 15,000.
constexpr int kCertainFaults = 3;

}  // namespace

void Breaker::on_success(TimePoint) {
  ++successes_;
  faulty_.clear();
  certain_ = 0;
  first_fault_.reset();
  opened_at_.reset();
  probing_ = false;
}

void Breaker::on_false_alarm(TimePoint now) {
  enough_ *= 2;
  on_success(now);
}

void Breaker::on_fault(const void* request, Evidence evidence, std::optional<Duration> hint,
                       TimePoint now) {
  if (is_open()) return;
  if (!first_fault_) first_fault_ = now;
  if (faulty_.size() < enough_) faulty_.insert(request);
  if (evidence == Evidence::kCertain) ++certain_;
  // Nothing is known of an endpoint that has never answered: each request waits for it.
  const bool enough = certain_ >= kCertainFaults || faulty_.size() >= enough_ ||
                      (!has_succeeded() && evidence == Evidence::kCertain);
  if (!enough) return;
  open(now);
  probe_at_ = std::max(probe_at_, now + hint.value_or(Duration::zero()));
}

void Breaker::on_probe_failed(std::optional<Duration> hint, TimePoint now) {
  probing_ = false;
  ++probes_failed_;
  interval_ = std::min(2 * interval_, kLongestInterval);
  probe_at_ = now + std::max(interval_, hint.value_or(Duration::zero()));
}

void Breaker::open(TimePoint now) {
  if (is_open()) return;
  if (!first_fault_) first_fault_ = now;
  opened_at_ = now;
  opened_after_ = successes_;
  ++outages_;
  probes_failed_ = 0;
  interval_ = kFirstInterval;
  probe_at_ = now + interval_;
  probing_ = false;
}

void Breaker::end_probe(TimePoint now) {
  if (!probing_) return;
  probing_ = false;
  probe_at_ = now + interval_;
}

TimePoint Breaker::gives_up_at() const {
  return first_fault_.value_or(TimePoint::max() - patience()) + patience();
}

}  // namespace alig
