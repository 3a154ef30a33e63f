#include "auto_label_image_grounding/run/labelling.h"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "auto_label_image_grounding/http/redact.h"
#include "auto_label_image_grounding/run/failure_verdict.h"
#include "auto_label_image_grounding/run/spec_secrets.h"

namespace alig {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(100);

CallerLimits limits_of(const Spec& spec) {
  CallerLimits limits;
  limits.max_in_flight = spec.workflow.max_workers;
  limits.max_requests = spec.workflow.max_requests;
  limits.requests_per_minute = spec.vlm.requests_per_minute;
  limits.tokens_per_minute = spec.vlm.tokens_per_minute;
  limits.retry.max_retries = spec.vlm.max_retries;
  limits.retry.rate_limit_patience = duration_of(spec.vlm.rate_limit_patience);
  limits.patience = {duration_of(spec.vlm.startup_patience), duration_of(spec.vlm.outage_patience)};
  return limits;
}

std::vector<EndpointChoice> choices_of(const RunPlan& plan,
                                       const std::vector<EndpointMemory>& memories) {
  std::vector<EndpointChoice> out;
  for (std::size_t i = 0; i < plan.backends.size(); ++i) {
    out.push_back({plan.backends[i].get(), memories[i].facts});
  }
  return out;
}

}  // namespace

Labelling::Labelling(Parts parts)
    : parts_(std::move(parts)),
      loop_(parts_.clock),
      pool_(std::make_unique<ThreadPool>(parts_.pool_threads)),
      sync_(parts_.context.store, parts_.clock, parts_.warnings),
      ending_([this](bool cancel) { stop(cancel); }),
      memories_(recall_endpoints(parts_.context.plan.dir, parts_.context.plan.backends,
                                 parts_.clock.wall_now())),
      caller_({loop_, *pool_, parts_.clock, *parts_.transport, parts_.warnings,
               secrets_of(parts_.context.plan.spec)},
              choices_of(parts_.context.plan, memories_), memories_.front().images,
              limits_of(parts_.context.plan.spec),
              [this](RunEnd end) { ending_.end(std::move(end), parts_.clock.now()); }),
      runner_({parts_.context, loop_, *pool_, caller_, parts_.writer},
              parts_.context.plan.backend().max_output_tokens(), [this](Error error) {
                ending_.end(RunEnd::fault(std::move(error)), parts_.clock.now());
              }) {}

Status Labelling::run() {
  runner_.start();
  loop_.run(
      [this] {
        return parts_.writer.complete() || ending_.is_over(caller_.in_flight(), parts_.clock.now());
      },
      kTick, [this] { tick(); });
  finish();
  remember_endpoints();
  if (parts_.writer.complete()) return {};
  return tl::unexpected(ending_.reason()->error());
}

RunCounts Labelling::counts() const {
  RunCounts sum = runner_.counts();
  sum.calls += caller_.counts();
  return sum;
}

std::vector<EndpointReport> Labelling::endpoints() const {
  std::vector<EndpointReport> out;
  for (const auto& endpoint : caller_.endpoints()) {
    out.push_back({redact(endpoint->backend.base_url(), secrets_of(parts_.context.plan.spec)),
                   endpoint->counts.requests, endpoint->counts.failed_attempts,
                   endpoint->breaker.outages(),
                   sent_otherwise(endpoint->backend, endpoint->negotiation.facts())});
  }
  return out;
}

// What cannot be kept is learnt again.
void Labelling::remember_endpoints() {
  for (std::size_t i = 0; i < memories_.size(); ++i) {
    memories_[i] = {caller_.endpoints()[i]->negotiation.facts(), caller_.image_demands().facts()};
  }
  const RunPlan& plan = parts_.context.plan;
  auto status =
      alig::remember_endpoints(plan.dir, plan.backends, memories_, parts_.clock.wall_now());
  if (!status) parts_.hooks.logger->debug("{}", status.error().message);
}

void Labelling::stop(bool cancel) {
  caller_.stop();
  runner_.stop();
  if (cancel) parts_.transport->cancel_all();
}

void Labelling::finish() {
  if (!pool_) return;
  stop(true);
  parts_.transport.reset();
  pool_.reset();
  loop_.clear();
}

void Labelling::tick() {
  parts_.convention.look_at(runner_.counts().labels.convention);
  sync_.tick();
  if (parts_.hooks.on_progress) {
    const RecordCounts& written = parts_.writer.counts();
    parts_.hooks.on_progress({static_cast<std::int64_t>(parts_.context.plan.dataset.size()),
                              written.done + written.failed, written.failed,
                              caller_.counts().total().requests, caller_.in_flight()});
  }
  if (runner_.has_much_left()) {
    auto too_many =
        judge_early(parts_.context.plan, parts_.writer.counts(), runner_.last_failure());
    if (too_many) ending_.end(std::move(*too_many), parts_.clock.now());
  }
  const auto& end = ending_.reason();
  if (end && end->reason == RunEnd::Reason::kEndpoint) announce_wait();
  hear_interrupt();
}

void Labelling::hear_interrupt() {
  const Interrupt interrupt = parts_.hooks.interrupt ? parts_.hooks.interrupt() : Interrupt::kNone;
  if (interrupt == Interrupt::kNone) return;
  const TimePoint now = parts_.clock.now();
  const bool heard =
      ending_.reason() && (ending_.reason()->reason == RunEnd::Reason::kInterrupted ||
                           ending_.reason()->reason == RunEnd::Reason::kEndpoint);
  if (!heard) {
    parts_.hooks.logger->warning(
        "interrupted: no new requests; waiting up to 10 s for {} in flight "
        "(interrupt again to stop at once)",
        caller_.in_flight());
  }
  ending_.end(
      {RunEnd::Reason::kInterrupted, "interrupted: finished samples are kept, run again to go on"},
      now);
  if (interrupt == Interrupt::kNow) ending_.end_now(now);
}

void Labelling::announce_wait() {
  if (std::exchange(wait_announced_, true)) return;
  parts_.hooks.logger->warning("{}. No new requests; waiting up to 10 s for {} in flight",
                               ending_.reason()->message, caller_.in_flight());
}

}  // namespace alig
