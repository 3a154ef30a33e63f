// One endpoint of a run: replicas of a model have one each. All that is known about it, on the
// event loop's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auto_label_image_grounding/calls/breaker.h"
#include "auto_label_image_grounding/calls/call.h"
#include "auto_label_image_grounding/calls/negotiation.h"
#include "auto_label_image_grounding/calls/pace.h"
#include "auto_label_image_grounding/data/step.h"
#include "auto_label_image_grounding/vlm/backend.h"

namespace alig {

// A call that the endpoint refused, while it is not known whether it refuses everything.
struct DoubtfulCall {
  std::shared_ptr<Call> call;
  Failure failure;
  StopReason reason = StopReason::kPermanent;
};

struct EndpointCounts {
  std::int64_t requests = 0;
  std::int64_t failed_attempts = 0;
};

// How large a share of its answers is refusals for overload, lately.
class OverloadShare {
 public:
  void note(bool refused) { share_ += kWeight * ((refused ? 1 : 0) - share_); }
  // Two close together are; one among good answers is not.
  bool is_general() const { return share_ > 1.5 * kWeight; }

 private:
  static constexpr double kWeight = 0.05;
  double share_ = 0;
};

struct Endpoint {
  Endpoint(const VlmBackend& the_backend, int max_in_flight, Breaker::Patience patience,
           NegotiatedFacts known, TimePoint now)
      : backend(the_backend),
        pace(max_in_flight, now),
        breaker(patience),
        negotiation(std::move(known)) {}

  const VlmBackend& backend;
  Pace pace;
  Breaker breaker;
  Negotiation negotiation;
  EndpointCounts counts;
  // Calls of images whose home it is, by step, in the order of submission; calls to be sent again
  // come before the others.
  PerStep<std::deque<std::shared_ptr<Call>>> ready;
  OverloadShare overload;
  Failure last_fault;  // of the outage
  bool out_announced = false;
  std::string model;  // that answers, as it says; "" until then

  // --- Whether it refuses everything ---
  std::vector<DoubtfulCall> doubtful;
  std::optional<VlmQuery> answered;  // the last question that it answered
  Step answered_step = Step::kExtraction;
  bool control_under_way = false;  // `answered`, asked once more
  int controls = 0;
  int schemaless_in_vain = 0;  // requests repeated without their schema that did not help
};

}  // namespace alig
