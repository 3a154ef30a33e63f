#include "tests/unit/calls/pace_simulation.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <memory>
#include <optional>
#include <queue>
#include <random>

#include <fmt/core.h>

#include "auto_label_image_grounding/calls/endpoint.h"
#include "auto_label_image_grounding/calls/pace.h"
#include "auto_label_image_grounding/calls/retry_policy.h"

namespace alig {
namespace {

using Kind = PaceScenario::Kind;

constexpr double kWindowSeconds = 60;
constexpr double kMeanTokens = 1750;
constexpr double kQuickRefusal = 0.010;

Duration to_duration(double seconds) {
  return std::chrono::round<Duration>(std::chrono::duration<double>(seconds));
}

double to_seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

double limit_at(const PaceScenario& scenario, double time) {
  double limit = 0;
  for (const auto& phase : scenario.limits) {
    if (time >= phase.from) limit = phase.limit;
  }
  return limit;
}

// The limit as requests per second.
double rate_of(const PaceScenario& scenario, double limit) {
  const double workers = scenario.workers / scenario.latency;
  switch (scenario.kind) {
    case Kind::kNoLimit:
    case Kind::kLosses:
      return workers;
    case Kind::kBucket:
    case Kind::kSpacing:
      return std::min(workers, limit);
    case Kind::kWindow:
      return std::min(workers, limit / kWindowSeconds);
    case Kind::kConcurrency:
      return std::min<double>(scenario.workers, limit) / scenario.latency;
    case Kind::kTokens:
      return std::min(workers, limit / 60 / kMeanTokens);
  }
  return 0;
}

// Whether the endpoint takes a request; where not, after how many seconds it may.
class LimitedEndpoint {
 public:
  LimitedEndpoint(const PaceScenario& scenario, std::mt19937_64& random)
      : scenario_(scenario), random_(random), level_(capacity(limit_at(scenario, 0))) {}

  std::optional<double> refusal(double now, double tokens) {
    const double limit = limit_at(scenario_, now);
    switch (scenario_.kind) {
      case Kind::kNoLimit:
        return std::nullopt;
      case Kind::kLosses:
        return std::uniform_real_distribution<double>()(random_) < limit ? std::optional(1.0)
                                                                         : std::nullopt;
      case Kind::kBucket:
        return from_bucket(now, limit, 1);
      case Kind::kTokens:
        return from_bucket(now, limit / 60, tokens);
      case Kind::kSpacing:
        return by_spacing(now, 1 / limit);
      case Kind::kWindow:
        return in_window(now, limit);
      case Kind::kConcurrency:
        if (in_flight_ >= limit) return 1.0;
        ++in_flight_;
        return std::nullopt;
    }
    return std::nullopt;
  }
  void finish() { --in_flight_; }

 private:
  double capacity(double limit) const {
    if (scenario_.kind == Kind::kTokens) return std::max(3000.0, scenario_.burst * limit / 60);
    return std::max(1.0, scenario_.burst * limit);
  }

  std::optional<double> from_bucket(double now, double rate, double cost) {
    const double most = scenario_.kind == Kind::kTokens ? capacity(rate * 60) : capacity(rate);
    level_ = std::min(most, level_ + (now - updated_) * rate);
    updated_ = now;
    constexpr double kRounding = 1e-6;
    if (level_ + kRounding < cost) return (cost - level_) / rate;
    level_ -= cost;
    return std::nullopt;
  }

  std::optional<double> by_spacing(double now, double spacing) {
    const double rest = last_accepted_ + spacing - now;
    if (rest > 1e-9) return rest;
    last_accepted_ = now;
    return std::nullopt;
  }

  std::optional<double> in_window(double time, double limit) {
    const double now = time + scenario_.window_start;
    const double window = std::floor(now / kWindowSeconds);
    if (window > window_) in_window_ = 0;
    window_ = window;
    if (in_window_ >= limit) return (window + 1) * kWindowSeconds - now;
    ++in_window_;
    return std::nullopt;
  }

  const PaceScenario& scenario_;
  std::mt19937_64& random_;
  double level_;
  double updated_ = 0;
  double last_accepted_ = -1e9;
  double window_ = 0;
  int in_window_ = 0;
  int in_flight_ = 0;
};

struct SimulatedRequest {
  AttemptState state;
  double tokens = 0;
  Pace::Ticket ticket;
  std::optional<double> hint;
};

enum class What { kLook, kAccepted, kRefused, kWaited };

struct SimulatedEvent {
  TimePoint at;
  std::uint64_t order;
  What what;
  std::size_t request;
  bool operator<(const SimulatedEvent& other) const {
    return at != other.at ? at > other.at : order > other.order;
  }
};

// A caller as VlmCaller is: a refused request waits without a place and then goes first.
class Simulation {
 public:
  Simulation(const PaceScenario& scenario, PaceScenario::Caller caller)
      : scenario_(scenario),
        plain_(caller == PaceScenario::Caller::kPlainPool),
        random_(scenario.seed),
        endpoint_(scenario_, random_),
        pace_(scenario.workers, now_) {}

  PaceResult run() {
    const TimePoint end = TimePoint() + to_duration(scenario_.seconds());
    pump();
    while (!events_.empty() && events_.top().at <= end) {
      const SimulatedEvent event = events_.top();
      events_.pop();
      now_ = event.at;
      handle(event);
    }
    result_.per_second = (static_cast<double>(result_.finished) + under_way(end)) / span();
    return result_;
  }

 private:
  // What has been done of the requests that are not finished at the end, if the workers count.
  double under_way(TimePoint end) {
    double sum = 0;
    if (scenario_.reaches_limit()) return sum;
    for (; !events_.empty(); events_.pop()) {
      const double rest = to_seconds(events_.top().at - end) / scenario_.latency;
      if (events_.top().what == What::kAccepted) sum += std::max(0.0, 1 - rest);
    }
    return sum;
  }

  // Where the workers are not the limit, nothing can be finished in the first latency.
  double span() const {
    const double seconds = scenario_.seconds();
    return scenario_.reaches_limit() ? seconds - scenario_.latency : seconds;
  }

  double time() const { return to_seconds(now_ - TimePoint()); }
  double chance() { return std::uniform_real_distribution<double>()(random_); }

  void at(TimePoint time, What what, std::size_t request) {
    events_.push({time, ++order_, what, request});
  }

  void handle(const SimulatedEvent& event) {
    if (event.what == What::kLook) {
      if (event.at != look_) return;  // an earlier one took its place
      look_ = TimePoint::max();
    }
    if (event.what == What::kAccepted) finish(event.request);
    if (event.what == What::kRefused) refuse(event.request);
    if (event.what == What::kWaited) {
      waiting_.push_front(event.request);
      if (plain_) --held_;
    }
    pump();
  }

  void pump() {
    while (has_next() && (plain_ ? held_ < scenario_.workers : may_start())) send(next_request());
  }

  bool has_next() const {
    return scenario_.requests == 0 || !waiting_.empty() || begun_ < scenario_.requests;
  }

  bool may_start() {
    const TimePoint ready = pace_.ready_at(now_);
    if (ready <= now_) return true;
    if (ready < look_) {
      look_ = ready;
      at(ready, What::kLook, 0);
    }
    return false;
  }

  std::size_t next_request() {
    if (!waiting_.empty()) {
      const std::size_t request = waiting_.front();
      waiting_.pop_front();
      return request;
    }
    if (free_.empty()) {
      free_.push_back(requests_.size());
      requests_.emplace_back();
    }
    ++begun_;
    const std::size_t request = free_.back();
    free_.pop_back();
    requests_[request] = SimulatedRequest();
    requests_[request].tokens = 500 + 2500 * chance();
    return request;
  }

  void send(std::size_t index) {
    SimulatedRequest& request = requests_[index];
    ++held_;
    ++result_.sent;
    if (!plain_) request.ticket = pace_.start(now_);
    const double latency = scenario_.latency * (scenario_.varying ? 0.5 + chance() : 1);
    const auto rest = endpoint_.refusal(time(), request.tokens);
    if (!rest) return at(now_ + to_duration(latency), What::kAccepted, index);
    ++result_.refused;
    request.hint = rest;
    const double wait = scenario_.slow_refusals ? latency : kQuickRefusal;
    at(now_ + to_duration(wait), What::kRefused, index);
  }

  void finish(std::size_t index) {
    --held_;
    ++result_.finished;
    result_.seconds = time();
    last_progress_ = now_;
    overload_.note(false);
    endpoint_.finish();
    if (!plain_) pace_.release(requests_[index].ticket, Pace::Outcome::kAccepted, {}, now_);
    free_.push_back(index);
  }

  Failure failure_of(const SimulatedRequest& request) const {
    Failure failure;
    failure.kind = scenario_.unavailable ? FailureKind::kServer : FailureKind::kRateLimited;
    failure.http_status = scenario_.unavailable ? 503 : 429;
    if (!scenario_.hints) return failure;
    const double wait = scenario_.fixed_hint > 0 ? scenario_.fixed_hint : *request.hint;
    failure.wait_hint = std::chrono::seconds(std::max(1L, std::lround(std::ceil(wait))));
    return failure;
  }

  void refuse(std::size_t index) {
    SimulatedRequest& request = requests_[index];
    const Failure failure = failure_of(request);
    const Circumstances circumstances{now_ - last_progress_, overload_.is_general(), chance()};
    const Decision decision = decide(failure, request.state, {}, circumstances);
    overload_.note(true);
    if (!plain_) {
      --held_;
      pace_.release(request.ticket, Pace::Outcome::kRefused, failure.wait_hint, now_);
    }
    if (decision.verdict == Verdict::kRetry) return at(now_ + decision.delay, What::kWaited, index);
    ++result_.failed;
    if (plain_) --held_;
    free_.push_back(index);
  }

  PaceScenario scenario_;
  bool plain_;
  std::mt19937_64 random_;
  LimitedEndpoint endpoint_;
  TimePoint now_ = TimePoint() + std::chrono::nanoseconds(0);
  Pace pace_;
  PaceResult result_;
  std::priority_queue<SimulatedEvent> events_;
  std::uint64_t order_ = 0;
  TimePoint look_ = TimePoint::max();
  TimePoint last_progress_{};
  OverloadShare overload_;
  int begun_ = 0;
  int held_ = 0;  // places, in a plain pool also those of waiting requests
  std::vector<SimulatedRequest> requests_;
  std::vector<std::size_t> free_;
  std::deque<std::size_t> waiting_;
};

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::kNoLimit:
      return "no limit";
    case Kind::kLosses:
      return "losses";
    case Kind::kBucket:
      return "bucket";
    case Kind::kSpacing:
      return "spacing";
    case Kind::kWindow:
      return "window";
    case Kind::kConcurrency:
      return "concurrency";
    case Kind::kTokens:
      return "tokens";
  }
  return "";
}

}  // namespace

double PaceScenario::seconds() const {
  if (duration > 0) return duration;
  const double for_requests = 1000 / rate_of(*this, limits.front().limit);
  const double least = std::max(120.0, 20 * latency);
  const bool by_workers = kind == Kind::kNoLimit || kind == Kind::kLosses;
  return by_workers ? least : std::max(least, for_requests);
}

double PaceScenario::ideal() const {
  double sum = 0;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const double until = i + 1 < limits.size() ? limits[i + 1].from : seconds();
    sum += (until - limits[i].from) * rate_of(*this, limits[i].limit);
  }
  return sum / seconds();
}

bool PaceScenario::reaches_limit() const {
  if (kind == Kind::kNoLimit || kind == Kind::kLosses) return false;
  for (const Phase& phase : limits) {
    if (rate_of(*this, phase.limit) < workers / latency) return true;
  }
  return false;
}

std::string PaceScenario::name() const {
  std::string text = name_of(kind);
  for (const Phase& phase : limits) text += fmt::format(" {:g}", phase.limit);
  if (kind == Kind::kBucket || kind == Kind::kTokens) text += fmt::format(" burst {:g} s", burst);
  text += fmt::format(", {} workers, {:g} s{}", workers, latency, varying ? " varying" : "");
  if (hints) text += fixed_hint > 0 ? fmt::format(", hints of {:g} s", fixed_hint) : ", hints";
  if (unavailable) text += ", 503";
  if (slow_refusals) text += ", slow refusals";
  return text;
}

PaceResult simulate(const PaceScenario& scenario, PaceScenario::Caller caller) {
  return Simulation(scenario, caller).run();
}

}  // namespace alig
