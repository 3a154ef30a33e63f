// How long an endpoint wants us to wait, wherever it says so. Pure.
//
// Sources: RFC 9110 (Retry-After); OpenAI's SDKs (retry-after-ms); the IETF's drafts of RateLimit
// headers, https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
// (`ratelimit-reset` in the first ones, `RateLimit: "default";r=0;t=30` in the newest); the rate
// limit pages of OpenAI (durations), Azure (seconds), Anthropic (RFC 3339) and OpenRouter (Unix
// time in milliseconds).
#pragma once

#include <chrono>
#include <optional>

#include "auto_label_image_grounding/base/clock.h"
#include "auto_label_image_grounding/http/transport.h"
#include "auto_label_image_grounding/vlm/provider_error.h"

namespace alig {

// What an answer that is no 2xx asks for. The first that there is of: retry-after-ms, Retry-After,
// what the body gives as a number or duration; and, for the statuses of an overload (429, 503,
// 529), time_to_reset(), from the headers of the answer and from those that the body repeats.
// Gateways put a prefix before the headers that they pass on (`llm_provider-retry-after`): any
// counts, after the header without one. What is no time is ignored; at most kLongestWaitHint.
// `error`: the answer's.
std::optional<Duration> wait_hint(const HttpResponse& response, const ProviderError& error,
                                  std::chrono::system_clock::time_point wall_now);

// How long a quota is exhausted according to the headers: the longest reset of those of which
// nothing remains (`…ratelimit-remaining-requests: 0`). Also for successful answers.
std::optional<Duration> time_to_reset(const HttpHeaders& headers,
                                      std::chrono::system_clock::time_point wall_now);

}  // namespace alig
