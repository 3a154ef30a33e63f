#include "auto_label_image_grounding/calls/retry_policy.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace alig {
namespace {

using namespace std::chrono_literals;

const auto kWallNow = std::chrono::system_clock::time_point(784111777s);
constexpr Duration kNoWait = 0s;

HttpResponse response(int status, std::string body = "", HttpHeaders headers = {}) {
  HttpResponse made;
  made.status = status;
  made.body = std::move(body);
  made.headers = std::move(headers);
  return made;
}

Failure failure_of(HttpResponse made) { return classify(HttpOutcome(std::move(made)), kWallNow); }

Decision first_decision(const Failure& failure) {
  AttemptState state;
  return decide(failure, state, RetrySettings{}, {kNoWait, false, 0.5});
}

const char* text_of(Verdict verdict) {
  return verdict == Verdict::kRetry ? "retry" : verdict == Verdict::kFatal ? "fatal" : "give up";
}

TEST(RetryPolicy, OneRowPerStatus) {
  struct Case {
    int status;
    FailureKind kind;
    Verdict verdict;
    bool slow_down;
  };
  const Case cases[] = {
      {301, FailureKind::kClient, Verdict::kFatal, false},
      {304, FailureKind::kClient, Verdict::kFatal, false},
      {307, FailureKind::kClient, Verdict::kFatal, false},
      {400, FailureKind::kClient, Verdict::kGiveUp, false},
      {401, FailureKind::kAuth, Verdict::kGiveUp, false},
      {402, FailureKind::kQuota, Verdict::kGiveUp, false},
      {403, FailureKind::kAuth, Verdict::kGiveUp, false},
      {404, FailureKind::kModel, Verdict::kGiveUp, false},
      {405, FailureKind::kClient, Verdict::kGiveUp, false},
      {407, FailureKind::kAuth, Verdict::kGiveUp, false},
      {408, FailureKind::kTimeout, Verdict::kRetry, true},
      {409, FailureKind::kServer, Verdict::kRetry, false},
      {410, FailureKind::kClient, Verdict::kGiveUp, false},
      {413, FailureKind::kClient, Verdict::kGiveUp, false},
      {415, FailureKind::kClient, Verdict::kGiveUp, false},
      {418, FailureKind::kClient, Verdict::kGiveUp, false},
      {422, FailureKind::kClient, Verdict::kGiveUp, false},
      {424, FailureKind::kClient, Verdict::kGiveUp, false},
      {425, FailureKind::kServer, Verdict::kRetry, false},
      {429, FailureKind::kRateLimited, Verdict::kRetry, true},
      {451, FailureKind::kClient, Verdict::kGiveUp, false},
      {499, FailureKind::kClient, Verdict::kGiveUp, false},
      {500, FailureKind::kServer, Verdict::kRetry, false},
      {501, FailureKind::kClient, Verdict::kGiveUp, false},
      {502, FailureKind::kServer, Verdict::kRetry, false},
      {503, FailureKind::kServer, Verdict::kRetry, true},
      {504, FailureKind::kTimeout, Verdict::kRetry, true},
      {505, FailureKind::kClient, Verdict::kGiveUp, false},
      {507, FailureKind::kServer, Verdict::kRetry, false},
      {511, FailureKind::kClient, Verdict::kGiveUp, false},
      {520, FailureKind::kServer, Verdict::kRetry, false},
      {529, FailureKind::kServer, Verdict::kRetry, true},
      {599, FailureKind::kServer, Verdict::kRetry, false},
      {600, FailureKind::kClient, Verdict::kGiveUp, false},
      {0, FailureKind::kClient, Verdict::kGiveUp, false},
  };
  for (const Case& c : cases) {
    const Failure failure = failure_of(response(c.status));
    const Decision decision = first_decision(failure);
    EXPECT_STREQ(name_of(failure.kind), name_of(c.kind)) << c.status;
    EXPECT_EQ(failure.http_status, c.status);
    EXPECT_FALSE(failure.message.empty()) << c.status;
    EXPECT_STREQ(text_of(decision.verdict), text_of(c.verdict)) << c.status;
    EXPECT_EQ(decision.slow_down, c.slow_down) << c.status;
    EXPECT_EQ(decision.reason == StopReason::kNone, c.verdict == Verdict::kRetry) << c.status;
  }
  EXPECT_EQ(failure_of(response(200)).kind, FailureKind::kNone);
}

TEST(RetryPolicy, OneRowPerFault) {
  using Fault = TransportFault::Kind;
  struct Case {
    Fault fault;
    FailureKind kind;
    Verdict verdict;
    bool slow_down;
  };
  const Case cases[] = {
      {Fault::kConnect, FailureKind::kTransport, Verdict::kRetry, false},
      {Fault::kDns, FailureKind::kTransport, Verdict::kRetry, false},
      {Fault::kTimeout, FailureKind::kTimeout, Verdict::kRetry, true},
      {Fault::kReset, FailureKind::kTransport, Verdict::kRetry, false},
      {Fault::kTls, FailureKind::kTls, Verdict::kGiveUp, false},
      {Fault::kTooLarge, FailureKind::kUnusableAnswer, Verdict::kRetry, false},
      {Fault::kLocalFile, FailureKind::kLocalFile, Verdict::kGiveUp, false},
      {Fault::kProxy, FailureKind::kProxy, Verdict::kFatal, false},
      {Fault::kInvalidRequest, FailureKind::kClient, Verdict::kGiveUp, false},
      {Fault::kCancelled, FailureKind::kCancelled, Verdict::kGiveUp, false},
      {Fault::kOther, FailureKind::kTransport, Verdict::kRetry, false},
  };
  for (const Case& c : cases) {
    const HttpOutcome outcome = tl::unexpected(TransportFault{c.fault, "why key=abc"});
    const Failure failure = classify(outcome, kWallNow);
    const Decision decision = first_decision(failure);
    EXPECT_STREQ(name_of(failure.kind), name_of(c.kind)) << name_of(c.fault);
    EXPECT_STREQ(text_of(decision.verdict), text_of(c.verdict)) << name_of(c.fault);
    EXPECT_EQ(decision.slow_down, c.slow_down) << name_of(c.fault);
    EXPECT_EQ(failure.message, "why key=***") << name_of(c.fault);
    EXPECT_EQ(failure.http_status, 0);
  }
}

TEST(RetryPolicy, NamedReasonsEndTheRun) {
  struct Case {
    int status;
    const char* body;
    FailureKind kind;
    bool fatal;
  };
  const Case cases[] = {
      {401, R"({"error":{"message":"Incorrect API key provided: x","code":"invalid_api_key"}})",
       FailureKind::kAuth, true},
      {400, R"({"error":{"code":400,"message":"API key not valid. Please pass a valid API key.",
               "status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}})",
       FailureKind::kAuth, true},
      {400, R"([{"error":{"message":"API key expired. Please renew the API key."}}])",
       FailureKind::kAuth, true},
      {403, R"({"error":{"message":"Your API key was reported as leaked."}})", FailureKind::kAuth,
       true},
      {403, R"({"error":{"status":"PERMISSION_DENIED","details":[{"reason":"SERVICE_DISABLED"}]}})",
       FailureKind::kAuth, true},
      {401, R"({"error":"Unauthorized"})", FailureKind::kAuth, false},
      {403, "<html><title>403 Forbidden</title></html>", FailureKind::kAuth, false},
      {404, R"({"error":{"message":"x","code":"model_not_found"}})", FailureKind::kModel, true},
      {404, R"({"object":"error","message":"The model `m` does not exist.","code":404})",
       FailureKind::kModel, true},
      {404, R"({"error":{"code":404,"message":"models/m is not found for API version v1beta",
               "status":"NOT_FOUND"}})",
       FailureKind::kModel, true},
      {404, R"({"status":404,"detail":"Function 'f': Not found for account 'a'"})",
       FailureKind::kModel, true},
      {404, R"({"error":"model 'm' not found"})", FailureKind::kModel, true},
      {404, R"({"detail":"Not Found"})", FailureKind::kModel, false},
      {404, "404 page not found", FailureKind::kModel, false},
      {402, R"({"error":{"message":"Insufficient Balance"}})", FailureKind::kQuota, true},
      {402, "", FailureKind::kQuota, false},
      {429, R"({"error":{"message":"You exceeded your current quota, please check your plan and
               billing details.","type":"insufficient_quota","code":"insufficient_quota"}})",
       FailureKind::kQuota, true},
      {429, R"({"error":{"message":"m","code":"billing_hard_limit_reached"}})", FailureKind::kQuota,
       true},
      {403, R"({"error":{"details":[{"reason":"BILLING_DISABLED"}]}})", FailureKind::kQuota, true},
      {429, R"([{"error":{"status":"RESOURCE_EXHAUSTED","message":"m","details":[{"violations":[
               {"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},
               {"retryDelay":"20s"}]}}])",
       FailureKind::kQuota, true},
      // Gemini speaks of billing on limits that pass within a minute.
      {429, R"({"error":{"status":"RESOURCE_EXHAUSTED","message":"You exceeded your current quota,
               please check your plan and billing details","details":[{"violations":[
               {"quotaId":"GenerateRequestsPerMinutePerProjectPerModel"}]}]}})",
       FailureKind::kRateLimited, false},
      {429, R"({"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}})",
       FailureKind::kRateLimited, false},
      // What a caption says must not end a run.
      {400, R"({"error":{"message":"cannot ground \"API key not valid\" in the image"}})",
       FailureKind::kClient, false},
      {400, R"({"error":{"message":"image too small"}})", FailureKind::kClient, false},
      {500, R"({"error":{"code":"invalid_api_key"}})", FailureKind::kAuth, true},
      {503, R"({"error":{"code":"model_not_found"}})", FailureKind::kServer, false},
  };
  for (const Case& c : cases) {
    const Failure failure = failure_of(response(c.status, c.body));
    EXPECT_STREQ(name_of(failure.kind), name_of(c.kind)) << c.status << ' ' << c.body;
    EXPECT_EQ(failure.ends_run, c.fatal) << c.status << ' ' << c.body;
    EXPECT_EQ(first_decision(failure).verdict == Verdict::kFatal, c.fatal)
        << c.status << ' ' << c.body;
    FatalTracker tracker;
    EXPECT_EQ(tracker.on_failure(failure), c.fatal) << c.status << ' ' << c.body;
  }
}

TEST(RetryPolicy, ARequestThatAloneExceedsTheLimitIsNotWaitedFor) {
  const Failure failure = failure_of(
      response(429, R"({"error":{"message":"Request too large for gpt-4o on tokens per min"}})"));
  EXPECT_EQ(failure.kind, FailureKind::kClient);
  EXPECT_EQ(first_decision(failure).verdict, Verdict::kGiveUp);
}

TEST(RetryPolicy, APromptThatIsBlockedIsRefused) {
  const char* azure =
      R"({"error":{"message":"filtered","code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}})";
  const Failure failure = failure_of(response(400, azure));
  EXPECT_EQ(failure.kind, FailureKind::kRefused);
  EXPECT_EQ(first_decision(failure).verdict, Verdict::kGiveUp);
}

TEST(RetryPolicy, AServerThatAsksForHoursIsWaitedForAsLongAsTheRunProgresses) {
  const auto waits = [](const char* seconds) {
    return first_decision(failure_of(response(502, "", {{"retry-after", seconds}})))
        .waits_for_progress;
  };
  EXPECT_TRUE(waits("3600"));
  EXPECT_FALSE(waits("1"));
  EXPECT_FALSE(first_decision(failure_of(response(502))).waits_for_progress);
}

TEST(RetryPolicy, WaitHints) {
  struct Case {
    const char* what;
    HttpResponse response;
    std::optional<Duration> expected;
  };
  const std::string retry_info =
      R"([{"error":{"message":"m","details":[{"retryDelay":"45.5s"}]}}])";
  const Case cases[] = {
      {"none", response(429), std::nullopt},
      {"seconds", response(429, "", {{"retry-after", "7"}}), 7s},
      {"date", response(503, "", {{"retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"}}), 30s},
      {"milliseconds first", response(429, "", {{"retry-after", "7"}, {"retry-after-ms", "250"}}),
       250ms},
      {"broken milliseconds", response(429, "", {{"retry-after-ms", "x"}, {"retry-after", "7"}}),
       7s},
      {"RetryInfo", response(429, retry_info), 45500ms},
      {"RetryInfo with 503", response(503, retry_info), 45500ms},
      {"reset of what is used up",
       response(429, "",
                {{"x-ratelimit-remaining-requests", "0"},
                 {"x-ratelimit-reset-requests", "1m30s"},
                 {"x-ratelimit-remaining-tokens", "100"},
                 {"x-ratelimit-reset-tokens", "9m"}}),
       90s},
      {"Azure's -1",
       response(
           429, "",
           {{"x-ratelimit-remaining-requests", "-1"}, {"x-ratelimit-reset-requests", "1m30s"}}),
       std::nullopt},
      {"reset is no hint elsewhere",
       response(500, "",
                {{"x-ratelimit-remaining-requests", "0"}, {"x-ratelimit-reset-requests", "12ms"}}),
       std::nullopt},
      {"negative", response(429, "", {{"retry-after", "-5"}}), std::nullopt},
  };
  for (const Case& c : cases) EXPECT_EQ(failure_of(c.response).wait_hint, c.expected) << c.what;
}

TEST(RetryPolicy, ObeysShouldRetry) {
  struct Case {
    int status;
    const char* value;
    Verdict expected;
  };
  const Case cases[] = {
      {400, "true", Verdict::kRetry},   {400, "false", Verdict::kGiveUp},
      {500, "false", Verdict::kGiveUp}, {429, "false", Verdict::kGiveUp},
      {429, "TRUE", Verdict::kRetry},   {500, "maybe", Verdict::kRetry},
      {400, "maybe", Verdict::kGiveUp}, {501, " true ", Verdict::kRetry},
  };
  for (const Case& c : cases) {
    const Failure failure = failure_of(response(c.status, "", {{"x-should-retry", c.value}}));
    EXPECT_STREQ(text_of(first_decision(failure).verdict), text_of(c.expected))
        << c.status << ' ' << c.value;
  }
}

int retries_until_the_end(const Failure& failure, const RetrySettings& settings) {
  AttemptState state;
  int retries = 0;
  while (retries < 1000 &&
         decide(failure, state, settings, {kNoWait, false, 0.5}).verdict == Verdict::kRetry) {
    ++retries;
  }
  return retries;
}

TEST(RetryPolicy, CountsRetries) {
  struct Case {
    FailureKind kind;
    int max_retries;
    int expected;
  };
  const Case cases[] = {
      {FailureKind::kServer, 5, 5},         {FailureKind::kTransport, 5, 5},
      {FailureKind::kTimeout, 1, 1},        {FailureKind::kServer, 0, 0},
      {FailureKind::kUnusableAnswer, 5, 2}, {FailureKind::kUnusableAnswer, 1, 1},
      {FailureKind::kUnusableAnswer, 0, 0}, {FailureKind::kTruncated, 5, 0},
      {FailureKind::kRefused, 5, 0},        {FailureKind::kCancelled, 5, 0},
      {FailureKind::kRateLimited, 0, 1000},
  };
  for (const Case& c : cases) {
    RetrySettings settings;
    settings.max_retries = c.max_retries;
    EXPECT_EQ(retries_until_the_end(Failure{c.kind, 0, "m"}, settings), c.expected)
        << name_of(c.kind) << " max_retries " << c.max_retries;
  }
}

TEST(RetryPolicy, OnlyA503Or529WithAHintIsNotCounted) {
  EXPECT_EQ(retries_until_the_end(failure_of(response(503)), {}), 5);
  EXPECT_EQ(retries_until_the_end(failure_of(response(503, "", {{"retry-after", "1"}})), {}), 1000);
  EXPECT_EQ(retries_until_the_end(failure_of(response(529)), {}), 5);
  EXPECT_EQ(retries_until_the_end(failure_of(response(529, "", {{"retry-after", "1"}})), {}), 1000);
  EXPECT_EQ(retries_until_the_end(failure_of(response(500, "", {{"retry-after", "1"}})), {}), 5);
}

TEST(RetryPolicy, RateLimitsUseUpNoRetries) {
  AttemptState state;
  const Failure limited = failure_of(response(429));
  const Failure broken = failure_of(response(500));
  for (int i = 0; i < 5; ++i) {
    for (int j = 0; j < 10; ++j) {
      EXPECT_EQ(decide(limited, state, {}, {kNoWait, false, 0.5}).verdict, Verdict::kRetry);
    }
    EXPECT_EQ(decide(broken, state, {}, {kNoWait, false, 0.5}).verdict, Verdict::kRetry) << i;
  }
  EXPECT_EQ(decide(broken, state, {}, {kNoWait, false, 0.5}).verdict, Verdict::kGiveUp);
}

TEST(RetryPolicy, RateLimitedRequestsWaitAsLongAsTheRunProgresses) {
  AttemptState state;
  const Failure limited = failure_of(response(429));
  const Decision waiting = decide(limited, state, {}, {899s, false, 0.5});
  EXPECT_EQ(waiting.verdict, Verdict::kRetry);
  EXPECT_TRUE(waiting.waits_for_progress);
  const Decision ended = decide(limited, state, {}, {900s, false, 0.5});
  EXPECT_EQ(ended.verdict, Verdict::kGiveUp);
  EXPECT_EQ(ended.reason, StopReason::kPatienceUsedUp);
  EXPECT_TRUE(ended.slow_down);
}

TEST(RetryPolicy, SaysWhyItStopped) {
  RetrySettings none;
  none.max_retries = 0;
  AttemptState state;
  const auto reason = [&](FailureKind kind, const RetrySettings& settings) {
    return decide(Failure{kind, 0, "m"}, state, settings, {kNoWait, false, 0.0}).reason;
  };
  EXPECT_EQ(reason(FailureKind::kClient, {}), StopReason::kPermanent);
  EXPECT_EQ(reason(FailureKind::kServer, none), StopReason::kRetriesUsedUp);
  EXPECT_EQ(reason(FailureKind::kCancelled, {}), StopReason::kCancelled);
}

TEST(RetryPolicy, BacksOffExponentiallyWithFullJitter) {
  AttemptState state;
  RetrySettings settings;
  settings.max_retries = 10;
  const Failure failure = failure_of(response(500));
  for (const Duration window :
       {500ms, 1000ms, 2000ms, 4000ms, 8000ms, 16000ms, 32000ms, 60000ms, 60000ms, 60000ms}) {
    AttemptState at_zero = state;
    EXPECT_EQ(decide(failure, at_zero, settings, {kNoWait, false, 0.0}).delay, 0s);
    EXPECT_EQ(decide(failure, state, settings, {kNoWait, false, 0.5}).delay, window / 2);
  }
}

TEST(RetryPolicy, ManyRateLimitsDoNotOverflowTheBackoff) {
  AttemptState state;
  state.rate_limited = 2000000000;
  EXPECT_EQ(decide(failure_of(response(429)), state, {}, {kNoWait, false, 0.5}).delay, 30s);
}

TEST(RetryPolicy, RequestsWithOneHintComeBackLaterAndSpread) {
  for (const auto& [hint, least_spread] :
       std::vector<std::pair<std::string, Duration>>{{"0", 400ms}, {"2", 400ms}, {"53", 4s}}) {
    const Failure failure = failure_of(response(429, "", {{"retry-after", hint}}));
    AttemptState first;
    AttemptState last;
    const Duration earliest = decide(failure, first, {}, {kNoWait, false, 0.0}).delay;
    const Duration latest = decide(failure, last, {}, {kNoWait, false, 0.999}).delay;
    EXPECT_EQ(earliest, std::chrono::seconds(std::stoi(hint))) << hint;
    EXPECT_GE(latest - earliest, least_spread) << hint;
    EXPECT_LE(latest, 2 * earliest + 1s) << hint;
  }
}

TEST(RetryPolicy, RedirectsNameOnlyTheHost) {
  struct Case {
    const char* location;
    const char* named;
  };
  const Case cases[] = {
      {"https://user:pw@other.example/v1?key=secret", "https://other.example"},
      {"http://10.0.0.1:8000/v1", "http://10.0.0.1:8000"},
      {"http://[::1]:8000/v1", "http://[::1]:8000"},
      {"http://[::1]/v1", "http://[::1]"},
      {"/v2/chat", "another path of the same host"},
      {"http://user:sec/ret@other.example/", "elsewhere"},
      {"http://sec ret/", "elsewhere"},
      {"http:///v1", "elsewhere"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(failure_of(response(308, "", {{"location", c.location}})).message,
              fmt::format(
                  "HTTP 308: the endpoint redirects to {}; set image_grounding.vlm.openai.base_url "
                  "(for Gemini image_grounding.vlm.gemini.base_url) to the final address",
                  c.named))
        << c.location;
  }
}

TEST(RetryPolicy, MessagesHideKeysThatAServerRepeats) {
  const Failure failure = failure_of(
      response(401, R"({"error":{"message":"Bad header Authorization: Bearer abc123"}})"));
  EXPECT_EQ(failure.message, "HTTP 401: Bad header Authorization: Bearer ***");
}

TEST(FatalTracker, TwoBareOnesInARowEndTheRun) {
  const Failure bare_auth = failure_of(response(401));
  const Failure bare_model = failure_of(response(404));
  const Failure broken = failure_of(response(500));
  FatalTracker tracker;
  EXPECT_FALSE(tracker.on_failure(bare_auth));
  tracker.on_success();
  EXPECT_FALSE(tracker.on_failure(bare_model));
  EXPECT_FALSE(tracker.on_failure(broken)) << "says nothing about the key";
  EXPECT_TRUE(tracker.on_failure(bare_auth));
}

TEST(FatalTracker, IgnoresWhatIsRetriedAndOtherFailures) {
  FatalTracker tracker;
  const Failure retried = failure_of(response(403, "", {{"x-should-retry", "true"}}));
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(tracker.on_failure(retried));
    EXPECT_FALSE(tracker.on_failure(failure_of(response(400))));
  }
}

}  // namespace
}  // namespace alig
