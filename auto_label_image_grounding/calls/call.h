// A question to the model, from its submission to a usable reply or its failure.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/calls/negotiation.h"
#include "auto_label_image_grounding/calls/pace.h"
#include "auto_label_image_grounding/calls/retry_policy.h"
#include "auto_label_image_grounding/data/step.h"
#include "auto_label_image_grounding/vlm/backend.h"

namespace alig {

// Why a call has no usable reply.
struct CallFailure {
  FailureKind kind = FailureKind::kNone;
  std::string message;
  int http_status = 0;
  int attempts = 0;
};

// What an answer is good for.
enum class AnswerUse {
  kUsable,
  kBreaksOff,  // it ends in the middle, whatever the endpoint says about its end
};

// The endpoint that the calls of one image go to, while it is there: it has the image in its prefix
// cache. Loop thread.
struct CallHome {
  std::optional<std::size_t> endpoint;  // set by the first request
};

class Slot;

struct Call {
  Step step = Step::kExtraction;
  VlmQuery query;
  // Shared by the calls of an image; null: any endpoint will do.
  std::shared_ptr<CallHome> home;
  // If set, a truncated answer ends the call at once (it is split); otherwise it is asked for
  // again.
  bool split_when_truncated = false;
  // Called on a pool thread with a complete reply, perhaps several times, never concurrently.
  // kData: the answer is unusable, ask again. Any other error ends the run.
  std::function<Result<AnswerUse>(const VlmReply&)> handle_reply;
  // Called once, on the loop's thread: the last reply was judged usable, or the call has failed.
  // The slot is freed when the last copy of the pointer is gone; it is null for a failure.
  std::function<void(const std::optional<CallFailure>&, std::shared_ptr<Slot>)> done;

  // Requests sent; may begin with those of an earlier call for the same question.
  int attempts = 0;

  // --- For VlmCaller alone ---
  AttemptState retry_state;
  Negotiation::Ticket ticket;   // of the request under way
  bool is_probe = false;        // the request under way is the breaker's
  bool is_control = false;      // a question that has been answered before: is it the endpoint?
  bool without_schema = false;  // for this call alone
  int server_errors = 0;        // 500s
  int broken_connections = 0;   // that do not count as retries
  // The series of faults since the endpoint's last success: what an outage gives back.
  std::uint64_t series = 0;   // Breaker::successes() when it began
  int counted_in_series = 0;  // retries
  int faults_in_series = 0;
  int faults = 0;  // in all
};

}  // namespace alig
