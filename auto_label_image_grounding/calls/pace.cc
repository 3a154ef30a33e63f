// When requests start, and what their outcomes say; what follows for the limits is in
// pace_limits.cc.
#include "auto_label_image_grounding/calls/pace.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "auto_label_image_grounding/calls/pace_settings.h"

namespace alig {

using namespace pace_settings;

Pace::Pace(int max_in_flight, TimePoint now)
    : max_(std::max(max_in_flight, 1)),
      concurrency_(max_),
      lowest_(max_),
      healthy_concurrency_(max_),
      probe_due_(now),
      probed_at_(now),
      begun_(now),
      growth_(kUsualGrowth),
      hold_(kShortestHold),
      mark_(now - kLongestEpoch),
      started_at_(now),
      free_since_(now - kLongestEpoch),
      trial_wait_(kFirstTrialWait),
      paused_until_(now),
      pause_(kFirstPause),
      closed_at_(now),
      cycle_start_(now) {}

std::optional<double> Pace::requests_per_second() const {
  return rate_ > 0 ? std::optional(rate_) : std::nullopt;
}

void Pace::pause_until(TimePoint time) { paused_until_ = std::max(paused_until_, time); }

// --- When the next request may start ---

Duration Pace::interval() const { return rate_ > 0 ? duration_of(1 / rate_) : Duration::zero(); }

TimePoint Pace::next_by_rate() const { return mark_ + interval(); }

bool Pace::has_place(TimePoint now) const {
  if (single_ && !ledger_.empty() && ledger_.back().epoch == epoch_number_) return false;
  return in_flight_ < concurrency_ || (may_probe() && now >= probe_time());
}

bool Pace::may_probe() const {
  if (single_ || trial_) return false;
  return in_flight_ < std::min(max_, concurrency_ + probe_step_) && in_flight_ >= concurrency_ &&
         probes_pending_ + probes_accepted_ + probes_refused_ < probe_step_;
}

// Midway between two other requests; where that was refused, shortly before the next, in case that
// their distance is what counts.
TimePoint Pace::probe_time() const {
  if (probe_step_ > 1) return mark_;
  TimePoint due = probe_due_;
  if (accepted_since_probe_ >= kProbeRequests) due = std::min(due, probed_at_ + kProbeDelay);
  const Duration midway = std::min<Duration>(gap_ / 2, std::chrono::seconds(1));
  return std::max(due, mark_ + (probe_late_ ? gap_ * 7 / 8 : midway));
}

// Many refusals that cannot be judged yet, since older requests may still be refused too.
bool Pace::alarmed() const {
  const auto refused = uncounted_refusals_ + epoch_.refused;
  const auto size = static_cast<int>(ledger_.size()) + epoch_.size();
  if (!patience_ || ledger_.empty() || refused < kWall || 4 * refused < size) return false;
  return cycle_accepted_ == 0 || is_beyond(refused, size, chance_share());
}

// When a place may come to be without a request being released.
TimePoint Pace::place_expected() const {
  const TimePoint expected = may_probe() ? probe_time() : TimePoint::max();
  if (!patience_ || ledger_.empty()) return expected;
  return std::min(expected, ledger_.front().start + *patience_);
}

TimePoint Pace::ready_at(TimePoint now) {
  ramp_up(now);
  settle(now);
  if (!has_place(now)) return std::max(place_expected(), now + Duration(1));
  free_since_ = std::max(free_since_, paused_until_);
  if (alarmed()) free_since_ = std::max(free_since_, ledger_.front().start + *patience_);
  return std::max(next_by_rate(), free_since_);
}

Pace::Ticket Pace::start(TimePoint now) {
  const TimePoint due = next_by_rate();
  const Duration late = now - due;
  Entry entry;
  entry.start = now;
  entry.epoch = epoch_number_;
  entry.others = in_flight_;
  entry.probe = in_flight_ >= concurrency_;
  entry.rate_bound =
      rate_ > 0 && late <= std::max<Duration>(std::chrono::milliseconds(1), interval() / 10);
  entry.gap = now - started_at_;
  if (entry.probe) ++probes_pending_;
  gap_ += (std::min(entry.gap, kLongestEpoch) - gap_) / 8;
  started_at_ = now;
  mark_ = rate_ > 0 && late <= kCatchUp && free_since_ <= due ? due : now;
  ledger_.push_back(entry);
  ++in_flight_;
  return Ticket{first_number_ + ledger_.size() - 1, now};
}

// --- Outcomes ---

void Pace::release(Ticket ticket, Outcome outcome, std::optional<Duration> hint, TimePoint now) {
  if (in_flight_-- >= concurrency_) free_since_ = now;
  const bool refused = outcome == Outcome::kRefused;
  if (refused) learn_refusal_time(now - ticket.start);
  if (ticket.number < first_number_) {
    ends_.push(now);
  } else {
    note_outcome(ledger_[ticket.number - first_number_], outcome, now);
    ledger_[ticket.number - first_number_].long_hint = refused && hint && *hint >= kLongHint;
    if (refused) note_hint(ledger_[ticket.number - first_number_], hint, now);
  }
  settle(now);
}

void Pace::note_outcome(Entry& entry, Outcome outcome, TimePoint now) {
  entry.end = now;
  entry.state = outcome == Outcome::kRefused    ? State::kRefused
                : outcome == Outcome::kAccepted ? State::kAccepted
                                                : State::kNeutral;
}

void Pace::note_hint(const Entry& entry, std::optional<Duration> hint, TimePoint now) {
  if (entry.epoch != epoch_number_) return;
  ++uncounted_refusals_;
  if (!hint) return;
  hinted_ = std::min(hinted_.value_or(TimePoint::max()), now + std::min(*hint, kLongestHint));
}

void Pace::learn_refusal_time(Duration took) {
  const Duration enough =
      std::min(took + took / 2 + std::chrono::milliseconds(10), kLongestPatience);
  if (!patience_ || took > *patience_) {
    patience_ = enough;
  } else {
    *patience_ += (enough - *patience_) / 16;
  }
}

// In the order of the starts; a request that is old enough counts as accepted.
void Pace::settle(TimePoint now) {
  while (!ledger_.empty()) {
    Entry entry = ledger_.front();
    if (entry.state == State::kPending) {
      const bool old = patience_ && now - entry.start >= *patience_;
      if (!old && ledger_.size() <= kLongestLedger) break;
      entry.state = State::kAccepted;
    }
    const bool ended = ledger_.front().state != State::kPending;
    ledger_.pop_front();
    ++first_number_;
    find_level(entry, ended);
    count(entry);
  }
  judge_epoch(now);
  judge_probes(now);
}

void Pace::find_level(Entry& entry, bool ended) {
  for (; !ends_.empty() && ends_.top() <= entry.start; ends_.pop()) --accepted_in_flight_;
  entry.level = accepted_in_flight_;
  if (entry.state != State::kAccepted) return;
  ++accepted_in_flight_;
  if (ended) ends_.push(entry.end);
}

void Pace::count(const Entry& entry) {
  const bool refused = entry.state == State::kRefused;
  if (refused && entry.epoch == epoch_number_) --uncounted_refusals_;
  if (entry.probe) count_probe(entry);
  if (entry.state == State::kNeutral) return;
  long_hints_ = entry.long_hint ? long_hints_ + 1 : 0;
  if (!refused) {
    ++accepted_since_probe_;
    ++cycle_accepted_;
  }
  if (entry.probe && refused && probe_step_ == 1) return;
  if (entry.epoch != epoch_number_) return;
  if (trial_ && trial_skip_-- > 0) return;
  count_in_epoch(entry);
}

void Pace::count_in_epoch(const Entry& entry) {
  if (epoch_.size() == 0) epoch_.first = entry.start;
  epoch_.last = entry.start;
  epoch_.rate_bound += entry.rate_bound;
  if (entry.state == State::kRefused) {
    ++epoch_.refused;
    epoch_.gaps_before_refused += entry.gap;
    epoch_.refused_levels.push_back(entry.level);
  } else {
    ++epoch_.accepted;
    epoch_.top_level = std::max(epoch_.top_level, entry.level);
  }
}

void Pace::new_epoch() {
  ++epoch_number_;
  epoch_ = Epoch();
  uncounted_refusals_ = 0;
  hinted_.reset();
}

void Pace::judge_epoch(TimePoint now) {
  if (is_told_to_wait()) return ask_whether_closed(now);
  if (!is_ripe()) return;
  if (epoch_.accepted == 0 && (single_ || epoch_.refused >= kWall)) return judge_all_refused(now);
  twice_refused_ = false;
  if (single_) return reopen(now);
  if (trial_) return end_trial();
  const double rate = rate_;
  const bool by_concurrency = is_caused_by_concurrency();
  if (by_concurrency && !ramp_) blame_concurrency(top_in_row_ + 1, now);
  // A few refusals in a row may still be losses: the share shows.
  const bool beyond = is_higher_rate_tried() || is_beyond(epoch_.refused, epoch_.size(), kMostLost);
  note_share(by_concurrency || (is_wall() && beyond));
  if (wants_trial()) return begin_trial();
  if (!is_excessive()) {
    judge_good_epoch();
  } else if (by_concurrency || !is_lowered_in_vain()) {
    lower_rate(by_concurrency);
  } else {
    learn_losses();
  }
  if (rate_ != rate || by_concurrency) return new_epoch();
  epoch_ = Epoch();
  hinted_.reset();
}

bool Pace::is_ripe() const {
  if (single_) return epoch_.size() > 0;
  if (is_wall()) return !is_partial();
  return epoch_.size() >= epoch_size() && epoch_.last - epoch_.first >= shortest_epoch_;
}

void Pace::judge_good_epoch() {
  healthy_rate_ = ramp_ ? 0 : rate_;
  healthy_concurrency_ = concurrency_;
  shortest_epoch_ = shortest_epoch_ * 19 / 20;
  const double size = epoch_.size();
  if (!ramp_ && is_clean() && 2 * epoch_.rate_bound >= size) raise_rate();
  if (floor_ == 0) return;
  const double weight = size / (size + kFloorMemory);
  floor_ = std::min(floor_ + weight * (epoch_.refused / size - floor_), highest_floor_);
}

// The share of refusals at the usual rates, for comparison with that of a trial.
void Pace::note_share(bool caused_by_load) {
  if (caused_by_load) {
    usual_ = Share();
    return;
  }
  const double kept = std::min(1.0, kFloorMemory / (sent_lately_ + epoch_.size()));
  sent_lately_ = kept * (sent_lately_ + epoch_.size());
  refused_lately_ = kept * (refused_lately_ + epoch_.refused);
  if (usual_.sent == 0) usual_.first = epoch_.first;
  if (usual_.rate == 0) usual_.rate = rate_;
  usual_.seconds = in_seconds(epoch_.last - usual_.first);
  usual_.sent += epoch_.size();
  usual_.refused += epoch_.refused;
}

// Short ones while the rate is far from where it will stay.
int Pace::epoch_size() const {
  if (trial_) return is_like_usual() ? 1 : trial_size_;
  const bool far = bad_ > kFar * rate_ || (good_ == 0 && !ramp_);
  return rate_ > 0 && far ? kEpochSize / 2 : kEpochSize;
}

// Whether it is the rate that holds requests back: one that refusals or a trial have taught.
bool Pace::is_rate_tried() const {
  return rate_ > 0 && !ramp_ && 2 * epoch_.rate_bound >= epoch_.size();
}

// Little is lost by going back.
bool Pace::is_higher_rate_tried() const { return is_rate_tried() && good_ > 0 && rate_ > good_; }

// The share of refusals that may be chance, as far as is known.
double Pace::chance_share() const {
  if (is_rate_tried()) return std::max(floor_, kTolerated);
  const double lately = (refused_lately_ + kMostLost * kPriorSent) / (sent_lately_ + kPriorSent);
  return std::max(floor_, std::min(kMostLost, lately));
}

// More refusals than losses may explain where no limit is known.
bool Pace::is_beyond_losses() const {
  return is_beyond(epoch_.refused, epoch_.size(), kMostLost) ||
         is_beyond(usual_.refused, usual_.sent, kMostLost);
}

// So many refusals that they are judged at once. A higher rate than the last good one is given up
// for its first.
bool Pace::is_wall() const {
  if (2 * epoch_.refused < epoch_.size()) return false;
  if (is_higher_rate_tried() && floor_ == 0) return epoch_.refused >= 1;
  if (epoch_.refused < kWall) return false;
  if (cycle_accepted_ == 0 || (is_rate_tried() && floor_ == 0)) return true;
  return is_beyond(epoch_.refused, epoch_.size(), chance_share());
}

// Requests of this epoch that started about as early may still be accepted.
bool Pace::is_partial() const {
  return !ledger_.empty() && ledger_.front().epoch == epoch_number_ && patience_ &&
         epoch_.last - epoch_.first < *patience_ / 2;
}

// As long as it is not known that the rate is limited, a trial must show it first.
bool Pace::is_excessive() const {
  return is_wall() || (has_many_refusals() && (is_rate_tried() || is_beyond_losses()));
}

bool Pace::has_many_refusals() const {
  const double size = epoch_.size();
  const double tolerated = size * std::max(floor_, kTolerated);
  const double spread = floor_ > 0 ? 3.5 * std::sqrt(size * floor_ * (1 - floor_)) : 0.5;
  return epoch_.refused > tolerated + spread;
}

bool Pace::is_clean() const { return epoch_.refused <= 1.5 * epoch_.size() * floor_; }

}  // namespace alig
