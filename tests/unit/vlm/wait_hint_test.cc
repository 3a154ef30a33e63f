#include "auto_label_image_grounding/vlm/wait_hint.h"

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "auto_label_image_grounding/vlm/failure.h"
#include "auto_label_image_grounding/vlm/time_text.h"

namespace alig {
namespace {

using namespace std::chrono_literals;

// 2026-01-31T12:00:00Z
constexpr std::chrono::system_clock::time_point kNoon{1769860800s};

std::optional<Duration> hint_of(int status, HttpHeaders headers, std::string body = "") {
  return classify(HttpResponse{status, std::move(headers), std::move(body)}, kNoon).wait_hint;
}

TEST(WaitHintTest, OneRowPerFormOfHeaders) {
  const struct {
    const char* what;
    HttpHeaders headers;
    std::optional<Duration> expected;
  } kCases[] = {
      {"none", {{"retry", "5"}, {"not-after", "5"}}, std::nullopt},
      {"LiteLLM: of the provider", {{"llm_provider-retry-after", "7"}}, 7s},
      {"of the provider, in ms", {{"llm_provider-retry-after-ms", "70"}}, 70ms},
      {"its own first", {{"llm_provider-retry-after", "7"}, {"retry-after", "60"}}, 60s},
      {"unless it is no time", {{"retry-after", "soon"}, {"llm_provider-retry-after", "7"}}, 7s},
      {"x-", {{"x-retry-after", "7"}}, 7s},
      {"Azure's Cosmos", {{"x-ms-retry-after-ms", "7"}}, 7ms},
      {"a date", {{"llm_provider-retry-after", "Sat, 31 Jan 2026 12:00:09 GMT"}}, 9s},
      {"no prefix, but a word", {{"dontretry-after", "7"}}, std::nullopt},

      {"OpenAI: durations",
       {{"x-ratelimit-remaining-tokens", "0"}, {"x-ratelimit-reset-tokens", "6m0s"}},
       360s},
      {"Azure: seconds",
       {{"x-ratelimit-remaining-requests", "0"}, {"x-ratelimit-reset-requests", "17"}},
       17s},
      {"LiteLLM: OpenAI behind it",
       {{"llm_provider-x-ratelimit-remaining-requests", "0"},
        {"llm_provider-x-ratelimit-reset-requests", "12ms"}},
       12ms},
      {"two servers' are not mixed",
       {{"llm_provider-x-ratelimit-remaining-requests", "0"}, {"x-ratelimit-reset-requests", "9s"}},
       std::nullopt},
      {"OpenRouter: Unix time in ms",
       {{"x-ratelimit-limit", "20"},
        {"x-ratelimit-remaining", "0"},
        {"x-ratelimit-reset", "1769860830000"}},
       30s},
      {"GitHub: Unix time",
       {{"x-ratelimit-remaining", "0"}, {"x-ratelimit-reset", "1769860830"}},
       30s},
      {"seconds", {{"x-ratelimit-remaining", "0"}, {"x-ratelimit-reset", "30"}}, 30s},
      {"IETF, first drafts", {{"ratelimit-remaining", "0"}, {"ratelimit-reset", "30"}}, 30s},
      {"with another hyphen", {{"x-rate-limit-remaining", "0"}, {"x-rate-limit-reset", "30"}}, 30s},
      {"IETF, newest", {{"ratelimit", R"("default";r=0;t=30)"}}, 30s},
      {"several policies",
       {{"ratelimit", R"("per,;r=1 min";r=0;t=30, "day";r=50;t=3600, "x";t=90;r=0)"}},
       90s},
      {"IETF, between", {{"ratelimit", "limit=100, remaining=0, reset=30"}}, 30s},
      {"some are left", {{"ratelimit", R"("default";r=1;t=30)"}}, std::nullopt},
      {"no time", {{"ratelimit", R"("default";r=0)"}}, std::nullopt},
      {"nothing", {{"ratelimit", R"(";r=0;t=30)"}}, std::nullopt},
      {"Anthropic: RFC 3339",
       {{"anthropic-ratelimit-requests-limit", "50"},
        {"anthropic-ratelimit-requests-remaining", "0"},
        {"anthropic-ratelimit-requests-reset", "2026-01-31T12:00:30Z"},
        {"anthropic-ratelimit-input-tokens-remaining", "100"},
        {"anthropic-ratelimit-input-tokens-reset", "2026-01-31T12:59:00Z"}},
       30s},
      {"Cerebras: by day and minute",
       {{"x-ratelimit-remaining-requests-day", "0"},
        {"x-ratelimit-reset-requests-day", "3600.5"},
        {"x-ratelimit-remaining-tokens-minute", "0"},
        {"x-ratelimit-reset-tokens-minute", "30"}},
       3600500ms},

      {"Azure's -1",
       {{"x-ratelimit-remaining-requests", "-1"}, {"x-ratelimit-reset-requests", "1s"}},
       std::nullopt},
      {"negative", {{"x-ratelimit-remaining", "0"}, {"x-ratelimit-reset", "-30"}}, std::nullopt},
      {"nan", {{"x-ratelimit-remaining", "0"}, {"x-ratelimit-reset", "nan"}}, std::nullopt},
      {"past", {{"x-ratelimit-remaining", "0"}, {"x-ratelimit-reset", "1769860000"}}, std::nullopt},
      {"huge",
       {{"x-ratelimit-remaining", "0"}, {"x-ratelimit-reset", "99999999999999999999"}},
       kLongestWaitHint},
      {"a reset alone", {{"x-ratelimit-reset", "30"}}, std::nullopt},
      {"Retry-After first",
       {{"x-ratelimit-remaining", "0"}, {"x-ratelimit-reset", "30"}, {"retry-after", "2"}},
       2s},
  };
  for (const auto& c : kCases) EXPECT_EQ(hint_of(429, c.headers), c.expected) << c.what;
}

TEST(WaitHintTest, OneRowPerFormOfBodies) {
  const struct {
    const char* body;
    std::optional<Duration> expected;
  } kCases[] = {
      {R"({"error":{"message":"m","details":[{"retryDelay":"45.5s"}]}})", 45500ms},
      {R"({"error":{"message":"m","retry_after":7}})", 7s},
      {R"({"error":{"message":"m","retry_after":1.5}})", 1500ms},
      {R"({"error":{"message":"m","retry_after":7,"retry_after_ms":250}})", 250ms},
      {R"({"error":{"message":"m","metadata":{"retry_after_seconds":9}}})", 9s},
      {R"({"error":{"message":"m"},"retry_after":7})", 7s},
      {R"({"message":"m","retry_after":7})", 7s},
      {R"({"error":{"message":"m","retry_after":-7}})", std::nullopt},
      {R"({"error":{"message":"m","retry_after":1e300}})", std::nullopt},
      {R"({"error":{"message":"m","retry_after":9999999999999}})", kLongestWaitHint},
      {R"({"error":{"message":"m","retry_after":true}})", std::nullopt},
      {R"({"error":{"message":"m","retry_after":"later"}})", std::nullopt},
      // Words are not read: a server may repeat a caption.
      {R"({"error":{"message":"retry_after: 7; try again in 7s"}})", std::nullopt},
      // OpenRouter
      {R"({"error":{"message":"m","code":429,"metadata":{"headers":{"X-RateLimit-Limit":"20",
          "X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1769860830000"}}}})",
       30s},
      {R"({"error":{"message":"m","metadata":{"headers":{"X-RateLimit-Remaining":0,
          "X-RateLimit-Reset":1769860830000}}}})",
       30s},
      {R"({"error":{"message":"m","metadata":{"headers":{"Retry-After":"3"}}}})", 3s},
      {R"({"error":{"message":"m","metadata":{"headers":["Retry-After","3"]}}})", std::nullopt},
      {R"({"error":{"message":"m","metadata":7}})", std::nullopt},
  };
  for (const auto& c : kCases) EXPECT_EQ(hint_of(429, {}, c.body), c.expected) << c.body;
}

TEST(WaitHintTest, ResetsAreHintsWhereTheEndpointIsOverloaded) {
  const HttpHeaders reset = {{"ratelimit-remaining", "0"}, {"ratelimit-reset", "30"}};
  for (const int status : {429, 503, 529}) EXPECT_EQ(hint_of(status, reset), 30s) << status;
  for (const int status : {400, 500, 502})
    EXPECT_EQ(hint_of(status, reset), std::nullopt) << status;
  EXPECT_EQ(hint_of(500, {{"llm_provider-retry-after", "7"}}), 7s) << "but an explicit wish is";
}

TEST(WaitHintTest, AGoodAnswerMaySayThatItWasTheLast) {
  EXPECT_EQ(time_to_reset({{"anthropic-ratelimit-tokens-remaining", "0"},
                           {"anthropic-ratelimit-tokens-reset", "2026-01-31T12:00:30Z"}},
                          kNoon),
            30s);
  EXPECT_EQ(time_to_reset({{"content-type", "text/html"}}, kNoon), std::nullopt);
}

}  // namespace
}  // namespace alig
