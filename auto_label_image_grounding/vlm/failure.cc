#include "auto_label_image_grounding/vlm/failure.h"

#include <algorithm>
#include <cctype>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/key_names.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/http/redact.h"
#include "auto_label_image_grounding/vlm/provider_error.h"
#include "auto_label_image_grounding/vlm/wait_hint.h"

namespace alig {
namespace {

struct KindRow {
  FailureKind kind;
  const char* name;
  bool retryable;
  bool slow_down;   // unless the status says so
  bool suspicious;  // counted by FatalTracker
};

constexpr KindRow kKinds[] = {
    {FailureKind::kNone, "none", false, false, false},
    {FailureKind::kTransport, "transport", true, false, false},
    {FailureKind::kTls, "tls", false, false, true},
    {FailureKind::kLocalFile, "local_file", false, false, false},
    {FailureKind::kTimeout, "timeout", true, true, false},
    {FailureKind::kRateLimited, "rate_limited", true, true, false},
    {FailureKind::kServer, "server_error", true, false, false},
    {FailureKind::kClient, "client_error", false, false, false},
    {FailureKind::kProxy, "proxy", false, false, true},
    {FailureKind::kAuth, "auth", false, false, true},
    {FailureKind::kModel, "model", false, false, true},
    {FailureKind::kQuota, "quota", false, false, true},
    {FailureKind::kUnusableAnswer, "unusable_answer", true, false, false},
    {FailureKind::kTruncated, "truncated", false, false, false},
    {FailureKind::kImageFormat, "image_format", false, false, false},
    {FailureKind::kRefused, "refused", false, false, false},
    {FailureKind::kCancelled, "cancelled", false, false, false},
};

const KindRow& row_of(FailureKind kind) {
  for (const KindRow& row : kKinds) {
    if (row.kind == kind) return row;
  }
  return kKinds[0];
}

struct StatusRow {
  int first;
  int last;
  FailureKind kind;
};

// The first row that fits. A status without a row is kClient.
constexpr StatusRow kStatuses[] = {
    {202, 202, FailureKind::kServer},  // not done yet: a model that is being loaded
    {200, 299, FailureKind::kNone},
    {401, 401, FailureKind::kAuth},
    {402, 402, FailureKind::kQuota},
    {403, 403, FailureKind::kAuth},
    {404, 404, FailureKind::kModel},
    {407, 407, FailureKind::kAuth},
    {408, 408, FailureKind::kTimeout},
    {409, 409, FailureKind::kServer},
    {425, 425, FailureKind::kServer},
    {429, 429, FailureKind::kRateLimited},
    {501, 501, FailureKind::kClient},  // not implemented: not tomorrow either
    {504, 504, FailureKind::kTimeout},
    {505, 505, FailureKind::kClient},  // HTTP version not supported
    {511, 511, FailureKind::kClient},  // a captive portal between us and the endpoint
    {500, 599, FailureKind::kServer},
};

FailureKind kind_of_status(int status) {
  for (const StatusRow& row : kStatuses) {
    if (status >= row.first && status <= row.last) return row.kind;
  }
  return FailureKind::kClient;
}

struct FaultRow {
  TransportFault::Kind fault;
  FailureKind kind;
};

constexpr FaultRow kFaults[] = {
    {TransportFault::Kind::kConnect, FailureKind::kTransport},
    {TransportFault::Kind::kDns, FailureKind::kTransport},
    {TransportFault::Kind::kTimeout, FailureKind::kTimeout},
    {TransportFault::Kind::kReset, FailureKind::kTransport},
    {TransportFault::Kind::kUnprocessed, FailureKind::kTransport},
    {TransportFault::Kind::kTls, FailureKind::kTls},
    {TransportFault::Kind::kTooLarge, FailureKind::kUnusableAnswer},
    {TransportFault::Kind::kLocalFile, FailureKind::kLocalFile},
    {TransportFault::Kind::kProxy, FailureKind::kProxy},
    {TransportFault::Kind::kInvalidRequest, FailureKind::kClient},
    {TransportFault::Kind::kCancelled, FailureKind::kCancelled},
    {TransportFault::Kind::kOther, FailureKind::kTransport},
};

FailureKind kind_of_fault(TransportFault::Kind fault) {
  for (const FaultRow& row : kFaults) {
    if (row.fault == fault) return row.kind;
  }
  return FailureKind::kTransport;
}

// --- What the body of an error names ---

// Machine-readable names, compared without case with code, type, status and details[].reason.
// Sources: the error pages of OpenAI, Google and Moonshot; LiteLLM's ProxyErrorTypes
// (litellm/proxy/_types.py).
struct NameRow {
  std::string_view name;
  FailureKind kind;
  bool may_pass = false;  // so that in a 5xx it does not end the run
};
constexpr NameRow kNames[] = {
    {"invalid_api_key", FailureKind::kAuth},
    {"account_deactivated", FailureKind::kAuth},
    {"api_key_invalid", FailureKind::kAuth},
    {"api_key_expired", FailureKind::kAuth},
    {"api_key_service_blocked", FailureKind::kAuth},
    {"api_key_http_referrer_blocked", FailureKind::kAuth},
    {"api_key_ip_address_blocked", FailureKind::kAuth},
    {"service_disabled", FailureKind::kAuth, true},
    {"consumer_suspended", FailureKind::kAuth},
    {"consumer_invalid", FailureKind::kAuth},
    {"expired_key", FailureKind::kAuth},
    {"token_not_found_in_db", FailureKind::kAuth},
    // LiteLLM cannot look the key up; without a database, that is its answer to any wrong key.
    {"no_db_connection", FailureKind::kAuth, true},
    {"model_not_found", FailureKind::kModel, true},
    {"deploymentnotfound", FailureKind::kModel, true},
    {"key_model_access_denied", FailureKind::kModel},
    {"team_model_access_denied", FailureKind::kModel},
    {"user_model_access_denied", FailureKind::kModel},
    {"org_model_access_denied", FailureKind::kModel},
    {"budget_exceeded", FailureKind::kQuota},
    {"insufficient_quota", FailureKind::kQuota},
    {"exceeded_current_quota_error", FailureKind::kQuota},
    {"insufficient_balance", FailureKind::kQuota},
    {"billing_hard_limit_reached", FailureKind::kQuota},
    {"billing_not_active", FailureKind::kQuota},
    {"billing_disabled", FailureKind::kQuota},
};

// Messages, for servers that have no names. A message must begin with `begin`, after what gateways
// put before it, so that a caption which a server repeats in its complaint cannot end a run. Never
// used for 429: Gemini writes
// "check your plan and billing details" on limits that pass within a minute.
struct PhraseRow {
  std::string_view begin;
  std::string_view also;
  FailureKind kind;
};
constexpr PhraseRow kPhrases[] = {
    {"api key not valid", "", FailureKind::kAuth},
    {"api key expired", "", FailureKind::kAuth},
    {"api key not found", "", FailureKind::kAuth},
    {"incorrect api key", "", FailureKind::kAuth},
    {"invalid api key", "", FailureKind::kAuth},
    {"your api key", "", FailureKind::kAuth},
    {"you didn't provide an api key", "", FailureKind::kAuth},
    {"the model `", "does not exist", FailureKind::kModel},
    {"the model '", "does not exist", FailureKind::kModel},
    {"models/", "is not found", FailureKind::kModel},
    {"this model", "no longer available", FailureKind::kModel},
    {"model \"", "not found", FailureKind::kModel},
    {"model '", "not found", FailureKind::kModel},
    {"invalid model name", "", FailureKind::kModel},
    {"function '", "not found for account", FailureKind::kModel},
    {"insufficient balance", "", FailureKind::kQuota},
    {"insufficient credits", "", FailureKind::kQuota},
    {"this api method requires billing", "", FailureKind::kQuota},
    {"gemini api free tier is not available", "", FailureKind::kQuota},
};

const NameRow* row_of_name(std::string_view name) {
  const std::string lower = ascii_lower(name);
  for (const NameRow& row : kNames) {
    if (lower == row.name) return &row;
  }
  return nullptr;
}

// How much of the front of a message, in lower case, is a gateway's: "/chat/completions: ", "400:
// ", "litellm.notfounderror: ", "openaiexception - ", "{'error': '". No words: those may be quoted.
std::size_t gateway_prefix_length(std::string_view lower) {
  for (const std::string_view quoted : {"{'error': '", "{'error': \"", "{\"error\": \""}) {
    if (lower.starts_with(quoted)) return quoted.size();
  }
  const std::string_view word = lower.substr(0, lower.find(' '));
  const std::string_view rest = lower.substr(word.size());
  if (rest.empty()) return 0;
  if (word.ends_with("exception") && rest.starts_with(" - ")) return word.size() + 3;
  const bool status = word.size() == 4 && word.find_first_not_of("0123456789") == 3;
  const bool gateways = word.starts_with('/') || word.starts_with("litellm.") || status;
  return gateways && word.ends_with(':') ? word.size() + 1 : 0;
}

std::optional<FailureKind> kind_of_phrase(const std::string& message) {
  const std::string lower = ascii_lower(message);
  std::string_view own = lower;
  while (const std::size_t prefix = gateway_prefix_length(own)) own.remove_prefix(prefix);
  for (const PhraseRow& row : kPhrases) {
    if (own.starts_with(row.begin) && own.find(row.also) != own.npos) return row.kind;
  }
  return std::nullopt;
}

bool is_daily_quota(const std::string& quota_id) {
  return ascii_lower(quota_id).find("perday") != std::string::npos;
}

std::optional<FailureKind> kind_of_names(int status, const ProviderError& error) {
  std::vector<std::string_view> names = {error.code, error.type, error.status};
  names.insert(names.end(), error.reasons.begin(), error.reasons.end());
  for (const std::string_view name : names) {
    const NameRow* row = row_of_name(name);
    if (row != nullptr && (status < 500 || !row->may_pass)) return row->kind;
  }
  return std::nullopt;
}

std::optional<FailureKind> named_kind(int status, const ProviderError& error) {
  if (status < 400 || status > 599) return std::nullopt;
  if (const auto kind = kind_of_names(status, error)) return kind;
  if (status == 429) {
    const auto& ids = error.quota_ids;
    const bool daily = std::any_of(ids.begin(), ids.end(), is_daily_quota);
    return daily ? std::optional(FailureKind::kQuota) : std::nullopt;
  }
  return status < 500 ? kind_of_phrase(error.message) : std::nullopt;
}

// Azure OpenAI refuses a prompt with a 400:
// https://learn.microsoft.com/azure/ai-services/openai/concepts/content-filter
bool is_declined(int status, const ProviderError& error) {
  return status >= 400 && status <= 499 &&
         (error.code == "content_filter" || error.code == "content_policy_violation");
}

// OpenAI answers 429 also to one request that alone exceeds the limit per minute: waiting is vain.
bool is_too_large_for_any_minute(const ProviderError& error) {
  return starts_with_ignoring_case(error.message, "request too large");
}

std::optional<bool> should_retry(const HttpResponse& response) {
  const std::string* text = response.header("x-should-retry");
  if (text == nullptr) return std::nullopt;
  const std::string value = ascii_lower(trim(*text));
  if (value == "true") return true;
  if (value == "false") return false;
  return std::nullopt;
}

// "host", "host:8000", "[::1]:8000". Not "user:secret", which is what a "/" in a secret leaves.
bool is_host_and_port(std::string_view text) {
  const auto is_host_character = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view(".-_[]:").find(c) != std::string_view::npos;
  };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const std::size_t colon = text.find(':', text.rfind(']') == text.npos ? 0 : text.rfind(']'));
  const std::string_view port = colon == text.npos ? "" : text.substr(colon + 1);
  return !text.empty() && std::all_of(text.begin(), text.end(), is_host_character) &&
         std::all_of(port.begin(), port.end(), is_digit);
}

// Scheme and host alone: the rest of a Location may be confidential.
std::string redirect_target(const HttpResponse& response) {
  const std::string* location = response.header("location");
  if (location == nullptr) return "elsewhere";
  const std::size_t scheme = location->find("://");
  if (scheme == std::string::npos) return "another path of the same host";
  std::string origin = location->substr(0, location->find_first_of("/?#", scheme + 3));
  const std::size_t user = origin.rfind('@');
  if (user != std::string::npos) origin.erase(scheme + 3, user + 1 - (scheme + 3));
  if (!is_host_and_port(std::string_view(origin).substr(scheme + 3))) return "elsewhere";
  return shorten(scrub_utf8(origin), 200);
}

bool is_redirect(int status) { return status >= 300 && status < 400; }

std::string describe(const HttpResponse& response, const ProviderError& error) {
  if (is_redirect(response.status)) {
    return fmt::format(
        "HTTP {}: the endpoint redirects to {}; set {} (for Gemini {}) to the final address",
        response.status, redirect_target(response), key::kOpenAiBaseUrl, key::kGeminiBaseUrl);
  }
  std::string text = error.message.empty()
                         ? fmt::format("HTTP {} without a message", response.status)
                         : fmt::format("HTTP {}: {}", response.status, redact(error.message, {}));
  constexpr int kTooLarge = 413;
  if (response.status == kTooLarge)
    text += fmt::format(" ({} makes images smaller)", key::kMaxImageSide);
  return text;
}

Failure classify_response(const HttpResponse& response,
                          std::chrono::system_clock::time_point wall_now) {
  Failure failure;
  failure.http_status = response.status;
  failure.kind = kind_of_status(response.status);
  if (failure.kind == FailureKind::kNone) return failure;
  const ProviderError error = parse_provider_error(response.body);
  failure.message = describe(response, error);
  failure.wait_hint = wait_hint(response, error, wall_now);
  failure.should_retry = should_retry(response);
  if (is_redirect(response.status)) {
    failure.ends_run = true;  // every request is redirected
  } else if (is_declined(response.status, error)) {
    failure.kind = FailureKind::kRefused;
  } else if (const auto kind = named_kind(response.status, error)) {
    failure.kind = *kind;
    failure.ends_run = true;
  } else if (response.status == 429 && is_too_large_for_any_minute(error)) {
    failure.kind = FailureKind::kClient;
  }
  return failure;
}

}  // namespace

const char* name_of(FailureKind kind) { return row_of(kind).name; }

bool is_retryable(FailureKind kind) { return row_of(kind).retryable; }

bool is_suspicious(FailureKind kind) { return row_of(kind).suspicious; }

bool may_be_outage(const Failure& failure) {
  return failure.kind == FailureKind::kTransport || failure.kind == FailureKind::kTimeout ||
         failure.kind == FailureKind::kServer;
}

bool is_unprocessed(const Failure& failure) {
  return failure.fault == TransportFault::Kind::kUnprocessed;
}

bool means_overload(const Failure& failure) {
  return row_of(failure.kind).slow_down || failure.http_status == 503 ||
         failure.http_status == 529;  // "site is overloaded"
}

Failure classify(const HttpOutcome& outcome, std::chrono::system_clock::time_point wall_now) {
  if (outcome) return classify_response(*outcome, wall_now);
  Failure failure;
  failure.kind = kind_of_fault(outcome.error().kind);
  failure.message = redact(outcome.error().message, {});
  failure.fault = outcome.error().kind;
  failure.advice = redact(outcome.error().advice, {});
  failure.ends_run = failure.kind == FailureKind::kProxy;
  return failure;
}

}  // namespace alig
