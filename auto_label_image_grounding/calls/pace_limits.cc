// What Pace learns: limits on concurrency and rate, closings, losses.
#include "auto_label_image_grounding/calls/pace.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "auto_label_image_grounding/calls/pace_settings.h"

namespace alig {

using namespace pace_settings;

// --- Concurrency ---

// Refusals only at levels at which nothing was accepted. A few are enough if that stays so for
// several epochs.
bool Pace::is_caused_by_concurrency() {
  const auto& levels = epoch_.refused_levels;
  top_in_row_ = above_in_row_ > 0 ? std::max(top_in_row_, epoch_.top_level) : epoch_.top_level;
  const auto above = static_cast<int>(
      std::count_if(levels.begin(), levels.end(), [this](int at) { return at > top_in_row_; }));
  above_in_row_ = above < epoch_.refused ? 0 : above_in_row_ + above;
  if (is_higher_rate_tried()) return false;  // that explains it
  if (above < 2 || 20 * above < 19 * epoch_.refused) return false;
  return 3 * above >= epoch_.size() || above_in_row_ >= kAboveInRow;
}

void Pace::blame_concurrency(int limit, TimePoint now) {
  concurrency_ = std::clamp(limit, 1, concurrency_);
  lowest_ = std::min(lowest_, concurrency_);
  above_in_row_ = 0;
  probe_step_ = 1;
  delay_probes(std::max(kFirstProbeDelay, 4 * patience_.value_or(Duration::zero())), now);
}

void Pace::count_probe(const Entry& entry) {
  --probes_pending_;
  if (entry.state == State::kRefused) ++probes_refused_;
  if (entry.state != State::kAccepted) return;
  ++probes_accepted_;
  concurrency_ = std::min(max_, std::max(concurrency_, entry.others + 1));
}

void Pace::delay_probes(Duration delay, TimePoint now) {
  probe_delay_ = delay;
  probe_due_ = now + delay;
  probed_at_ = now;
  accepted_since_probe_ = 0;
}

void Pace::judge_probes(TimePoint now) {
  if (probes_pending_ > 0 || probes_accepted_ + probes_refused_ == 0) return;
  if (probes_accepted_ > probes_refused_) {
    if (probes_refused_ == 0) probe_step_ = std::min(2 * probe_step_, max_);
    delay_probes(Duration::zero(), now);
    probe_delay_ = kFirstProbeDelay;
  } else {
    probe_step_ = 1;
    probe_late_ = !probe_late_;
    delay_probes(std::clamp<Duration>(2 * probe_delay_, kFirstProbeDelay, kLongestProbeDelay), now);
  }
  probes_accepted_ = probes_refused_ = 0;
}

// --- Rate ---

void Pace::ramp_up(TimePoint now) {
  if (!ramp_) return;
  rate_ = kFirstRate * std::exp2(in_seconds(now - begun_) / kRampDoublingSeconds);
  if (rate_ < kUnlimitedRate) return;
  rate_ = 0;
  ramp_ = false;
}

// Requests that wait for a place go in bursts, which are faster than the whole.
double Pace::rate_where_refused() const {
  if (rate_ > 0 && 2 * epoch_.rate_bound >= epoch_.size()) return rate_;
  const double local =
      epoch_.refused / std::max(in_seconds(epoch_.gaps_before_refused), 0.001 * epoch_.refused);
  const double whole = (epoch_.size() - 1) / epoch_seconds();
  return std::min(rate_ > 0 ? rate_ : kUnlimitedRate, std::max(local, whole));
}

double Pace::epoch_seconds() const {
  return std::max(in_seconds(epoch_.last - epoch_.first), kInstant);
}

void Pace::lower_rate(bool by_concurrency) {
  const double used = rate_where_refused();
  ramp_ = false;
  growth_ = kUsualGrowth;
  held_ = 0;
  if (!by_concurrency) note_bad_rate(used);
  rate_ = std::max({used * (1 - share_in_excess()), by_concurrency ? 0 : good_, kLowestRate});
}

// The share of refusals that the losses do not explain. Of few requests one is taken for chance.
double Pace::share_in_excess() const {
  const double size = epoch_.size();
  const double surely = size < kEpochSize / 2 && good_ == 0 ? epoch_.refused - 1 : epoch_.refused;
  return std::max(0.0, (surely / size - floor_) / (1 - floor_));
}

// A rate that was clean and is so no more was an error, or the limit has fallen.
void Pace::note_bad_rate(double used) {
  if (good_ > 0.995 * used) good_ = 0;
  const bool tried_again = bad_ > 0 && used >= kNear * bad_;
  hold_ = tried_again ? std::min(2 * hold_, kLongestHold) : kShortestHold;
  bad_ = tried_again ? std::min(bad_, used) : used;
}

void Pace::raise_rate() {
  good_ = std::max(good_, rate_);
  if (bad_ > 0 && rate_ >= bad_) {
    bad_ = 0;
    growth_ = kUsualGrowth;
  }
  if (bad_ > 0 && rate_ >= kNear * bad_) {
    held_ += epoch_.size();
    if (held_ >= hold_) rate_ = bad_ * 1.01;
    return;
  }
  rate_ *= bad_ > 0 ? std::min(growth_, std::sqrt(bad_ / rate_)) : growth_;
  growth_ = std::min(kFastestGrowth, 1 + 2 * (growth_ - 1));
  if (rate_ > kUnlimitedRate) rate_ = good_ = bad_ = 0;
}

// --- Everything refused ---

void Pace::judge_all_refused(TimePoint now) {
  if (!single_ && in_flight_ > 0 && in_flight_ < concurrency_) {
    blame_concurrency(in_flight_, now);
    return new_epoch();
  }
  if (single_ || twice_refused_ || trial_ || good_ > 0) return close(now);
  twice_refused_ = true;
  slow_down_much(now);
  new_epoch();
}

// Whatever is in flight: where every refusal asks for a long wait, no more of them are needed.
bool Pace::is_told_to_wait() const {
  return !single_ && hinted_ && long_hints_ >= (closings_ > 0 ? 1 : kLongHints);
}

// One request, as soon as there is a place that an accepted one has left: it may be only the
// concurrency that is limited.
void Pace::ask_whether_closed(TimePoint now) {
  if (in_flight_ == 0) return close(now);
  concurrency_if_closed_ = concurrency_;
  closed_at_ = now;
  blame_concurrency(in_flight_, now);
  ramp_ = trial_ = false;
  single_ = true;
  new_epoch();
}

// What the endpoint has accepted on average is a better guess than any fraction.
void Pace::slow_down_much(TimePoint now) {
  ramp_ = false;
  bad_ = rate_ > 0 ? rate_ : epoch_.size() / epoch_seconds();
  const double average = cycle_accepted_ / std::max(in_seconds(now - cycle_start_), kInstant);
  rate_ = std::max({bad_ / 4, std::min(bad_ / 2, average), kLowestRate});
  growth_ = kUsualGrowth;
}

// Pauses; then one request at a time asks whether it is over.
void Pace::close(TimePoint now) {
  ramp_ = false;
  if (!single_) {
    closed_at_ = now;
    blame_concurrency(std::max(1, in_flight_), now);
  }
  concurrency_ = std::max(concurrency_, std::exchange(concurrency_if_closed_, 0));
  paused_until_ = std::max(paused_until_, hinted_.value_or(now + pause_));
  named_an_end_ = hinted_.has_value();
  pause_ = std::min(2 * pause_, kLongestPause);
  single_ = true;
  trial_ = false;
  usual_ = Share();
  new_epoch();
}

// What was accepted from one such time to the next is what the endpoint allows in the long run.
void Pace::reopen(TimePoint now) {
  single_ = false;
  pause_ = kFirstPause;
  if (std::exchange(concurrency_if_closed_, 0) > 0) return new_epoch();
  const bool soon = closed_at_ - cycle_start_ < 3 * (now - closed_at_);
  closings_ = soon ? closings_ + 1 : 1;
  if (closings_ > 1) {
    learn_from_cycle(now);
  } else if (now - closed_at_ >= (named_an_end_ ? kOutage : kLongClosing)) {
    restart(now);
  }
  cycle_start_ = now;
  cycle_accepted_ = 0;
  new_epoch();
}

// A single outage says nothing about the limits: all as it was before, after another ramp.
void Pace::restart(TimePoint now) {
  concurrency_ = healthy_concurrency_;
  rate_ = healthy_rate_;
  good_ = bad_ = 0;
  growth_ = kUsualGrowth;
  ramp_ = rate_ == 0;
  begun_ = now;
}

void Pace::learn_from_cycle(TimePoint now) {
  const double seconds = std::max(in_seconds(now - cycle_start_), kInstant);
  const double rate = std::max(cycle_accepted_ / seconds, kLowestRate);
  bad_ = rate_;
  rate_ = rate_ > 0 ? std::min(rate_, rate) : rate;
  if (good_ > rate_) good_ = 0;
  shortest_epoch_ = std::min(now - closed_at_, kLongestEpoch);
  growth_ = kUsualGrowth;
}

// --- Losses ---

bool Pace::wants_trial() const {
  if (floor_ == 0 && !has_many_refusals()) return false;
  if (ramp_ || usual_.seconds <= 0 || usual_.refused < kFewestRefusals) return false;
  if (usual_.value() < kTolerated) return false;
  const bool first = floor_ == 0 && trial_wait_ == kFirstTrialWait && concurrency_ > kHandful;
  return usual_.sent >= (first && usual_.value() > 0.1 ? kFewestRequests : trial_wait_);
}

// The limit was none. The way up again is quick, but not at once: that might be an error too.
void Pace::forget_limit() {
  rate_ *= 4;
  good_ = bad_ = 0;
  growth_ = kFastestGrowth;
}

// The rate has become much lower than any limit that would explain the first refusals, and their
// share is what it was.
bool Pace::is_lowered_in_vain() const {
  return floor_ == 0 && usual_.sent >= kFewestRequests && usual_.refused >= kFewestRefusals &&
         usual_.value() <= kMostLost && rate_ > 0 && rate_ < kInVain * usual_.rate &&
         epoch_.refused >= 2 && 2 * epoch_.refused >= usual_.value() * epoch_.size();
}

void Pace::learn_losses() {
  learn_floor(usual_.refused, usual_.sent);
  forget_limit();
  usual_ = Share();
}

void Pace::begin_trial() {
  rate_before_trial_ = rate_;
  const double accepted = (usual_.sent - usual_.refused) / usual_.seconds;
  rate_ = kTrialRate * (rate_ > 0 ? std::min(rate_, accepted) : accepted);
  trial_size_ = static_cast<int>(std::clamp(10 / usual_.value(), 24.0, 80.0));
  trial_skip_ = kTrialSkip;
  trial_ = true;
  new_epoch();
}

// The trial's lower rate has not made refusals fewer.
bool Pace::is_like_usual() const {
  return epoch_.refused >= 3 && epoch_.size() >= kEpochSize &&
         2 * epoch_.refused >= usual_.value() * epoch_.size();
}

// The usual share is seen too high, since trials begin where there are many refusals.
bool Pace::has_helped() const {
  const double share = (usual_.refused - 2) / usual_.sent;
  return epoch_.refused < share * epoch_.size() &&
         chance_of(epoch_.refused, epoch_.size(), share) < kUnlikely;
}

// The limit is where its share was chosen from, or little above.
void Pace::keep_trial_rate(double tried) {
  const double limit = tried / kTrialRate;
  if (rate_ > 0 && rate_ <= limit) return;
  rate_ = bad_ = limit;
  good_ = tried;
  growth_ = kUsualGrowth;
}

void Pace::end_trial() {
  trial_ = false;
  const double tried = rate_;
  rate_ = rate_before_trial_;
  const bool proper = epoch_.size() >= kEpochSize && 2 * epoch_.rate_bound >= epoch_.size();
  if (proper && is_like_usual()) {
    if (floor_ == 0) forget_limit();
    learn_floor(usual_.refused + epoch_.refused, usual_.sent + epoch_.size());
    trial_wait_ *= 2;
  } else {
    if (proper) floor_ = epoch_.refused == 0 ? 0 : floor_ / 2;
    if (proper && has_helped()) keep_trial_rate(tried);
    trial_wait_ *= epoch_.refused == 0 ? 4 : 2;
  }
  trial_wait_ = std::min(trial_wait_, kLongestTrialWait);
  usual_ = Share();
  new_epoch();
}

void Pace::learn_floor(double refused, double sent) {
  floor_ = std::min(refused / sent, kMostLost);
  highest_floor_ = std::min(1.25 * floor_, kMostLost);
}

}  // namespace alig
