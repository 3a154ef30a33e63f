#include "auto_label_image_grounding/calls/pace.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

namespace alig {
namespace {

using std::chrono::milliseconds;

// --- The start: a limit costs few requests, and an endpoint without one no more than 3 seconds ---
constexpr double kFirstRate = 100;
constexpr double kRampDoublingSeconds = 0.4;
constexpr double kUnlimitedRate = 50'000;
constexpr double kLowestRate = 0.05;

// --- Epochs ---
constexpr int kEpochSize = 16;
constexpr int kWall = 3;             // refusals, at least half of all: judged at once
constexpr double kTolerated = 0.05;  // share of refusals
constexpr double kInstant = 0.010;   // seconds; what is shorter gives no rate
constexpr double kUnlikely = 1e-3;
constexpr Duration kLongestEpoch = std::chrono::seconds(60);
constexpr Duration kLongestPatience = std::chrono::seconds(31);
constexpr std::size_t kLongestLedger = 20'000;

// --- Concurrency ---
constexpr int kAboveInRow = 4;
constexpr Duration kFirstProbeDelay = milliseconds(100);
constexpr Duration kLongestProbeDelay = std::chrono::minutes(5);
constexpr int kProbeRequests = 24;  // accepted between two probes at the most,
constexpr Duration kProbeDelay = std::chrono::seconds(2);  // but not less than this

// --- Rate ---
constexpr double kUsualGrowth = 1.2;  // factor from one epoch to the next
constexpr double kFastestGrowth = 2;
constexpr double kFar = 1.3;  // from the lowest bad rate
constexpr double kNear = 0.97;
constexpr int kShortestHold = 48;  // requests near the lowest bad rate before it is tried again
constexpr int kLongestHold = 192;
constexpr Duration kCatchUp = milliseconds(10);  // a timer that is late by less is made up for

// --- Everything refused ---
constexpr Duration kFirstPause = milliseconds(250);
constexpr Duration kLongestPause = std::chrono::seconds(15);
constexpr Duration kLongClosing = std::chrono::seconds(5);
// Longer than a limit per minute closes an endpoint.
constexpr Duration kOutage = std::chrono::seconds(75);
constexpr Duration kLongestHint = std::chrono::seconds(60);
constexpr Duration kLongHint = std::chrono::seconds(10);
constexpr int kLongHints = 2;  // in a row; one if the endpoint has been closed before

// --- Losses ---
constexpr double kTrialRate = 0.8;
constexpr int kTrialSkip = 6;  // requests that may still suffer from those before
constexpr double kFewestRefusals = 6;
constexpr double kFewestRequests = 32;
constexpr double kFirstTrialWait = 100;  // requests between two trials
constexpr double kLongestTrialWait = 3200;
constexpr int kHandful = 8;  // requests in flight, from which little is learnt
constexpr double kInVain = 0.35;
constexpr double kFloorMemory = 200;  // requests
constexpr double kMostLost = 0.25;    // what chance may be, as long as nothing is known
constexpr double kPriorSent = 12;     // requests after which it is known as well from those sent

double pace_seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// Bound on the probability that of `size` outcomes, each of which is a refusal with the probability
// `share`, a share as far from it as that of `refused` is refused (Chernoff).
double chance_of(double refused, double size, double share) {
  const auto part = [size](double count, double expected) {
    return count > 0 ? count * std::log(count / size / expected) : 0;
  };
  return std::exp(-part(refused, share) - part(size - refused, 1 - share));
}

// Whether so many refusals are more than chance makes of that share.
bool is_beyond(double refused, double size, double share) {
  return refused > share * size && chance_of(refused, size, share) < kUnlikely;
}

Duration pace_duration(double seconds) {
  return std::chrono::ceil<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

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

Duration Pace::interval() const { return rate_ > 0 ? pace_duration(1 / rate_) : Duration::zero(); }

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
  entry.rate_bound = rate_ > 0 && late <= std::max<Duration>(milliseconds(1), interval() / 10);
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
  const Duration enough = std::min(took + took / 2 + milliseconds(10), kLongestPatience);
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
  usual_.seconds = pace_seconds(epoch_.last - usual_.first);
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
  rate_ = kFirstRate * std::exp2(pace_seconds(now - begun_) / kRampDoublingSeconds);
  if (rate_ < kUnlimitedRate) return;
  rate_ = 0;
  ramp_ = false;
}

// Requests that wait for a place go in bursts, which are faster than the whole.
double Pace::rate_where_refused() const {
  if (rate_ > 0 && 2 * epoch_.rate_bound >= epoch_.size()) return rate_;
  const double local =
      epoch_.refused / std::max(pace_seconds(epoch_.gaps_before_refused), 0.001 * epoch_.refused);
  const double whole = (epoch_.size() - 1) / epoch_seconds();
  return std::min(rate_ > 0 ? rate_ : kUnlimitedRate, std::max(local, whole));
}

double Pace::epoch_seconds() const {
  return std::max(pace_seconds(epoch_.last - epoch_.first), kInstant);
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
  const double average = cycle_accepted_ / std::max(pace_seconds(now - cycle_start_), kInstant);
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
  const double seconds = std::max(pace_seconds(now - cycle_start_), kInstant);
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
