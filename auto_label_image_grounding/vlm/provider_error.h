// Reads the error bodies of VLM endpoints, whatever their shape. Pure; never throws.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auto_label_image_grounding/base/clock.h"
#include "auto_label_image_grounding/http/transport.h"

namespace alig {

struct ProviderError {
  // One line of valid UTF-8 without control characters, at most 500 bytes; empty for an empty body.
  // For a body of unknown shape its text, for an HTML page its title.
  std::string message{};
  std::string code{};                     // OpenAI error.code ("invalid_api_key"); numbers as text
  std::string type{};                     // OpenAI error.type
  std::string param{};                    // OpenAI error.param ("max_tokens")
  std::string status{};                   // Google error.status ("RESOURCE_EXHAUSTED")
  std::vector<std::string> reasons{};     // Google details[].reason ("API_KEY_INVALID")
  std::vector<std::string> quota_ids{};   // Google QuotaFailure violations[].quotaId
  std::optional<Duration> retry_delay{};  // Google RetryInfo.retryDelay, or a number retry_after
  HttpHeaders headers{};  // OpenRouter error.metadata.headers: another server's; lower-case names
};

// Known shapes: {"error":{message,code,type,param,status,details}}, the same in a one-element list,
// {"error":"text"}, {"errors":[…]}, {"object":"error","message",…}, {"detail":"text"} and FastAPI's
// {"detail":[{"msg"}]}, {"title","detail"}, any of these in "error" or "detail", HTML, plain text.
// Bodies may be hostile: invalid UTF-8, deeply nested and very large ones are taken as plain text.
ProviderError parse_provider_error(std::string_view body);

}  // namespace alig
