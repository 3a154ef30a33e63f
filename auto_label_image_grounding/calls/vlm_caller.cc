#include "auto_label_image_grounding/calls/vlm_caller.h"

#include <sys/random.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/key_names.h"
#include "auto_label_image_grounding/vlm/token_estimate.h"

// Sending: which call goes next, to which endpoint, and when. What becomes of its outcome is in
// call_outcomes.cc.

namespace alig {
namespace {

// For jitter. Not std::random_device: libstdc++'s takes arc4random, which would bind a program that
// has libstdc++ inside to glibc 2.36.
std::uint64_t random_seed() {
  std::uint64_t seed = 0;
  [[maybe_unused]] const ssize_t ignored = ::getrandom(&seed, sizeof(seed), 0);
  return seed;
}

}  // namespace

Slot::~Slot() { caller_->release(*endpoint_, ticket_, outcome_, hint_); }

VlmCaller::VlmCaller(Parts parts, std::vector<EndpointChoice> endpoints, ImageFacts images,
                     CallerLimits limits, std::function<void(RunEnd)> end_run)
    : parts_(std::move(parts)),
      limits_(limits),
      end_run_(std::move(end_run)),
      images_(std::move(images)),
      request_bucket_(static_cast<double>(limits_.requests_per_minute), 1, parts_.clock.now()),
      token_bucket_(static_cast<double>(limits_.tokens_per_minute),
                    std::max(1.0, static_cast<double>(limits_.tokens_per_minute) / 60),
                    parts_.clock.now()),
      last_progress_(parts_.clock.now()),
      random_(random_seed()) {
  for (EndpointChoice& choice : endpoints) {
    endpoints_.push_back(std::make_unique<Endpoint>(*choice.backend, limits_.max_in_flight,
                                                    limits_.patience, std::move(choice.known),
                                                    parts_.clock.now()));
  }
}

int VlmCaller::lowest_concurrency() const {
  return std::accumulate(endpoints_.begin(), endpoints_.end(), limits_.max_in_flight,
                         [](int lowest, const auto& endpoint) {
                           return std::min(lowest, endpoint->pace.lowest_concurrency());
                         });
}

int VlmCaller::in_flight() const {
  return std::accumulate(
      endpoints_.begin(), endpoints_.end(), 0,
      [](int sum, const auto& endpoint) { return sum + endpoint->pace.in_flight(); });
}

void VlmCaller::submit(CallPtr call) {
  if (stopped_) return;
  queues_of(*call)[call->step].push_back(std::move(call));
  pump();
}

void VlmCaller::stop() {
  stopped_ = true;
  for (auto& queue : ready_.values) queue.clear();
  for (const auto& endpoint : endpoints_) {
    for (auto& queue : endpoint->ready.values) queue.clear();
    endpoint->doubtful.clear();
  }
}

// An endpoint that is out is nobody's home.
VlmCaller::Queues& VlmCaller::queues_of(const Call& call) {
  if (!call.home || !call.home->endpoint) return ready_;
  Endpoint& home = *endpoints_[*call.home->endpoint];
  if (!home.breaker.is_open()) return home.ready;
  call.home->endpoint.reset();
  return ready_;
}

void VlmCaller::send_again(const CallPtr& call) {
  if (stopped_) return;
  queues_of(*call)[call->step].push_front(call);
}

void VlmCaller::send_last(const CallPtr& call) {
  if (!stopped_) queues_of(*call)[call->step].push_back(call);
}

// Its calls may be answered elsewhere.
void VlmCaller::release_home(Endpoint& endpoint) {
  for (const Step step : StepSet::all()) {
    std::deque<CallPtr> calls = std::exchange(endpoint.ready[step], {});
    for (auto call = calls.rbegin(); call != calls.rend(); ++call) {
      (*call)->home->endpoint.reset();
      ready_[step].push_front(std::move(*call));
    }
  }
}

void VlmCaller::release(Endpoint& endpoint, Pace::Ticket ticket, Pace::Outcome outcome,
                        std::optional<Duration> hint) {
  endpoint.pace.release(ticket, outcome, hint, parts_.clock.now());
  pump();
}

// The limits that are asked of the run, not learnt: whether they let the call go now.
bool VlmCaller::may_send(const Call& call) {
  const TimePoint ready_at =
      std::max(request_bucket_.ready_at(1), token_bucket_.ready_at(estimate_tokens(call.query)));
  const TimePoint now = parts_.clock.now();
  if (ready_at > now) {
    if (!throttled_since_) throttled_since_ = now;
    wake_at(ready_at);
    return false;
  }
  // That the run throttled itself is not a lack of progress, except in a storm.
  if (throttled_since_ && !refused_since_progress_) {
    last_progress_ = std::min(now, last_progress_ + (now - *throttled_since_));
  }
  throttled_since_.reset();
  return true;
}

bool VlmCaller::is_over_requests() {
  if (limits_.max_requests == 0 || counts_.total().requests < limits_.max_requests) return false;
  end_run_({RunEnd::Reason::kMaxRequests,
            fmt::format("stopped after {} requests ({}): nothing is lost, run again to go on",
                        limits_.max_requests, key::kMaxRequests)});
  return true;
}

// The least busy first, so that replicas get equal shares.
std::vector<Endpoint*> VlmCaller::by_load() const {
  std::vector<Endpoint*> out;
  for (const auto& endpoint : endpoints_) out.push_back(endpoint.get());
  std::stable_sort(out.begin(), out.end(), [](const Endpoint* a, const Endpoint* b) {
    return std::pair(a->pace.in_flight(), a->counts.requests) <
           std::pair(b->pace.in_flight(), b->counts.requests);
  });
  return out;
}

std::size_t VlmCaller::index_of(const Endpoint& endpoint) const {
  const auto found = std::find_if(endpoints_.begin(), endpoints_.end(),
                                  [&](const auto& known) { return known.get() == &endpoint; });
  return static_cast<std::size_t>(found - endpoints_.begin());
}

TimePoint VlmCaller::ready_at(Endpoint& endpoint) {
  return endpoint.breaker.is_open() ? endpoint.breaker.probe_at()
                                    : endpoint.pace.ready_at(parts_.clock.now());
}

void VlmCaller::pump() {
  while (!stopped_ && in_flight() < limits_.max_in_flight) {
    const std::vector<Endpoint*> endpoints = by_load();
    if (!std::any_of(endpoints.begin(), endpoints.end(),
                     [&](Endpoint* endpoint) { return send_next(*endpoint); })) {
      break;
    }
  }
  if (stopped_) return;
  check_patience();
  check_rate_limit_patience();
  look_at_doubts();
}

bool VlmCaller::send_next(Endpoint& endpoint) {
  const auto is_empty = [](const auto& queue) { return queue.empty(); };
  const auto& own = endpoint.ready.values;
  if (std::all_of(own.begin(), own.end(), is_empty) &&
      std::all_of(ready_.values.begin(), ready_.values.end(), is_empty)) {
    return false;
  }
  const TimePoint at = ready_at(endpoint);
  if (at > parts_.clock.now()) {
    wake_at(at);
    return false;
  }
  if (endpoint.breaker.doubts_probes() && send_control(endpoint)) return true;
  for (auto traits = kStepTraits.rbegin(); traits != kStepTraits.rend() && !stopped_; ++traits) {
    for (Queues* queues : {&endpoint.ready, &ready_}) {
      if (send_from(endpoint, (*queues)[traits->step])) return true;
    }
  }
  return false;
}

// The first calls of a queue whose image has found a home elsewhere since they came here.
void VlmCaller::send_home(std::deque<CallPtr>& queue) {
  while (!queue.empty()) {
    auto& home = queues_of(*queue.front())[queue.front()->step];
    if (&home == &queue) return;
    home.push_back(std::move(queue.front()));
    queue.pop_front();
  }
}

bool VlmCaller::send_from(Endpoint& endpoint, std::deque<CallPtr>& queue) {
  send_home(queue);
  if (queue.empty()) return false;
  const bool in_doubt = !endpoint.breaker.is_open() &&
                        (endpoint.control_under_way || endpoint.doubtful.size() >= kManyDoubts);
  if (in_doubt && !queue.front()->is_control) return false;
  if (is_over_requests() || !may_send(*queue.front())) return false;
  Call& next = *queue.front();
  auto ticket = endpoint.negotiation.admit(endpoint.backend.optional_parts(next.query));
  if (!ticket) return false;
  next.ticket = std::move(*ticket);
  request_bucket_.take(1, parts_.clock.now());
  token_bucket_.take(estimate_tokens(next.query), parts_.clock.now());
  CallPtr call = std::move(queue.front());
  queue.pop_front();
  send(endpoint, std::move(call));
  return true;
}

// One timer at a time: the earliest that is wanted.
void VlmCaller::wake_at(TimePoint time) {
  if (time == TimePoint::max() || (wake_at_ && *wake_at_ <= time)) return;
  wake_at_ = time;
  parts_.loop.at(time, [this, time] {
    if (wake_at_ == time) wake_at_.reset();
    pump();
  });
}

void VlmCaller::send(Endpoint& endpoint, CallPtr call) {
  ++call->attempts;
  ++endpoint.counts.requests;
  ++step_counts(*call).requests;
  if (call->attempts > 1) ++step_counts(*call).retries;
  if (call->home && !call->home->endpoint) call->home->endpoint = index_of(endpoint);
  call->is_probe = endpoint.breaker.is_open();
  if (call->is_probe) endpoint.breaker.start_probe();
  if (call->without_schema) call->ticket.form.choose(RequestPart::kSchema, kLeftOut);
  HttpRequest request = endpoint.backend.make_request(call->query, call->ticket.form);
  const Pace::Ticket ticket = endpoint.pace.start(parts_.clock.now());
  // The slot is handed on to the loop's events, so that it is freed on the loop's thread.
  auto slot = std::make_shared<Slot>(*this, endpoint, ticket);
  parts_.transport.send(std::move(request), [this, call = std::move(call),
                                             slot = std::move(slot)](HttpOutcome outcome) mutable {
    take_outcome(std::move(call), std::move(slot), std::move(outcome));
  });
}

}  // namespace alig
