// Calls against an endpoint of which every answer has its time, on a clock that is set forward:
// minutes of waiting take no time.
#include "auto_label_image_grounding/calls/vlm_caller.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace alig {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;

// Time goes on when nothing else can: nothing is posted, and no pool thread is at work.
class SimulatedClock final : public Clock {
 public:
  TimePoint now() const override { return now_; }
  std::chrono::system_clock::time_point wall_now() const override { return {}; }
  void wait(std::unique_lock<std::mutex>& lock, std::condition_variable& wake, TimePoint until,
            const std::function<bool()>& ready) const override {
    while (pool_ != nullptr && pool_->pending() > 0 && !ready()) {
      // A task posts before it counts as ended, so that nothing is missed here.
      wake.wait_for(lock, milliseconds(1), ready);
    }
    if (!ready()) now_ = std::max(now_, until);
  }
  void watch(const ThreadPool& pool) { pool_ = &pool; }
  void forget() { pool_ = nullptr; }

 private:
  mutable TimePoint now_{};
  const ThreadPool* pool_ = nullptr;
};

HttpOutcome good_answer() {
  HttpResponse response;
  response.status = 200;
  response.body = R"({"choices":[{"finish_reason":"stop","message":{"content":"{}"}}]})";
  return response;
}

HttpOutcome rate_limited(const char* header = nullptr, const char* value = "") {
  HttpResponse response;
  response.status = 429;
  if (header != nullptr) response.headers.emplace_back(header, value);
  return response;
}

// Answers after a second, as `script` says for the time at which the request arrived.
class SimulatedEndpoint final : public HttpTransport {
 public:
  using Script = std::function<HttpOutcome(TimePoint, const HttpRequest&)>;
  SimulatedEndpoint(EventLoop& loop, const Clock& clock, Script script)
      : loop_(loop), clock_(clock), script_(std::move(script)) {}

  void send(HttpRequest request, Done done) override {
    ++requests;
    by_host[request.url].push_back(clock_.now());
    in_flight_.emplace_back(clock_.now(), ++open_);
    loop_.at(clock_.now() + seconds(1),
             [this, at = clock_.now(), done = std::move(done), request = std::move(request)] {
               --open_;
               done(script_(at, request));
             });
  }
  void cancel_all() override {}

  // The most requests at once that were sent from `from` to `to`.
  int most_in_flight(TimePoint from, TimePoint to) const {
    int most = 0;
    for (const auto& [at, count] : in_flight_) {
      if (at >= from && at < to) most = std::max(most, count);
    }
    return most;
  }
  int requests = 0;
  std::map<std::string, std::vector<TimePoint>> by_host;

 private:
  EventLoop& loop_;
  const Clock& clock_;
  Script script_;
  int open_ = 0;
  std::vector<std::pair<TimePoint, int>> in_flight_;
};

class QuietLogger final : public Logger {
 public:
  void log(LogLevel, std::string_view) override {}
};

struct Outcome {
  int finished = 0, failed = 0, requests = 0;
  std::string ended;  // why the run was ended, where it was
  Duration took{};
  std::vector<int> in_flight;  // the most at once, by minute
  std::map<std::string, std::vector<TimePoint>> by_host;
};

Outcome run_script(int calls, CallerLimits limits, const SimulatedEndpoint::Script& script,
                   std::vector<std::string> urls = {"http://fake/v1"}) {
  SimulatedClock clock;
  EventLoop loop(clock);
  Outcome out;
  QuietLogger logger;
  Warnings warnings(logger);
  VlmSpec spec;
  spec.backend = Backend::kOpenAi;
  spec.openai.model_name = "model";
  spec.openai.base_urls = std::move(urls);
  const auto backends = make_backends(spec);
  SimulatedEndpoint endpoint(loop, clock, script);
  auto pool = std::make_unique<ThreadPool>(2);
  clock.watch(*pool);
  const auto end_run = [&](const RunEnd& end) { out.ended = end.message; };
  std::vector<EndpointChoice> choices;
  for (const auto& backend : backends) choices.push_back({backend.get(), {}});
  VlmCaller caller({loop, *pool, clock, endpoint, warnings, {}}, choices, {}, limits, end_run);
  for (int i = 0; i < calls; ++i) {
    auto call = std::make_shared<Call>();
    call->query.prompt = std::to_string(i);
    call->handle_reply = [](const VlmReply&) { return AnswerUse::kUsable; };
    call->done = [&](const std::optional<CallFailure>& failure, const std::shared_ptr<Slot>&) {
      ++(failure ? out.failed : out.finished);
      if (!failure) caller.note_progress();
    };
    caller.submit(std::move(call));
  }
  const auto is_over = [&] {
    const bool hangs = clock.now() > TimePoint() + std::chrono::hours(5);
    if (hangs) out.ended = "hangs";
    return out.finished + out.failed == calls || !out.ended.empty();
  };
  loop.run(is_over, milliseconds(100), [] {});
  caller.stop();
  clock.forget();
  pool.reset();
  loop.clear();
  out.requests = endpoint.requests;
  out.by_host = endpoint.by_host;
  out.took = clock.now() - TimePoint();
  for (TimePoint at{}; at < clock.now(); at += minutes(1)) {
    out.in_flight.push_back(endpoint.most_in_flight(at, at + minutes(1)));
  }
  return out;
}

Outcome run_calls(int calls, CallerLimits limits,
                  const std::function<HttpOutcome(TimePoint)>& script) {
  return run_script(calls, limits, [&](TimePoint at, const HttpRequest&) { return script(at); });
}

// Calls of which some get a 500 whenever they are asked.
Outcome run_poisoned(int calls, CallerLimits limits, const std::set<int>& poisoned) {
  return run_script(calls, limits, [&](TimePoint, const HttpRequest& request) -> HttpOutcome {
    for (const int number : poisoned) {
      const std::string prompt = "\"text\":\"" + std::to_string(number) + "\"";
      if (std::get<std::string>(request.body.back()).find(prompt) != std::string::npos) {
        HttpResponse response;
        response.status = 500;
        return response;
      }
    }
    return good_answer();
  });
}

CallerLimits limits_of(int in_flight) {
  CallerLimits limits;
  limits.max_in_flight = in_flight;
  return limits;
}

TEST(VlmCallerTest, AllSlotsAreUsedAllTheTime) {
  const Outcome out = run_calls(6400, limits_of(64), [](TimePoint) { return good_answer(); });
  EXPECT_EQ(out.finished, 6400);
  EXPECT_EQ(out.requests, 6400);
  // 100 s are the ideal; the first second goes to finding out what the endpoint takes.
  EXPECT_LT(out.took, milliseconds(102'000));
}

// Minutes 1 to 6 answer nothing but 429.
TEST(VlmCallerTest, AStormOfFiveMinutesLosesNothingAndIsOverWithinAMinute) {
  for (const char* hint : {"", "3", "40"}) {
    const Outcome out = run_calls(30'000, limits_of(64), [&](TimePoint at) {
      const bool storm = at >= TimePoint() + minutes(1) && at < TimePoint() + minutes(6);
      if (!storm) return good_answer();
      return *hint == '\0' ? rate_limited() : rate_limited("retry-after", hint);
    });
    EXPECT_EQ(out.finished, 30'000) << hint;
    EXPECT_EQ(out.failed, 0) << hint;
    EXPECT_EQ(out.ended, "") << hint;
    ASSERT_GE(out.in_flight.size(), 8u) << hint;
    EXPECT_EQ(out.in_flight[0], 64) << hint;
    EXPECT_LE(out.in_flight[4], 4) << hint << ": a storm is not fed";
    EXPECT_EQ(out.in_flight[6], 64) << hint << ": full again in the minute after it";
    // 64 a second without the storm's 300 s; what follows it may take a minute more.
    EXPECT_LT(out.took, seconds(30'000 / 64 + 300 + 60)) << hint;
  }
}

TEST(VlmCallerTest, AStormThatNeverEndsIsGivenUpAfterThePatience) {
  CallerLimits limits = limits_of(8);
  limits.retry.rate_limit_patience = seconds(900);
  const Outcome out = run_calls(20, limits, [](TimePoint) { return rate_limited(); });
  EXPECT_EQ(out.finished, 0);
  EXPECT_NE(out.ended, "hangs");
  EXPECT_GE(out.took, seconds(900));
  EXPECT_LT(out.took, seconds(1100));
}

TEST(VlmCallerTest, ALimitPerMinuteIsKept) {
  CallerLimits limits = limits_of(64);
  limits.requests_per_minute = 120;
  const Outcome out = run_calls(600, limits, [](TimePoint) { return good_answer(); });
  EXPECT_EQ(out.finished, 600);
  EXPECT_GE(out.took, minutes(5) - seconds(2));
  EXPECT_LT(out.took, minutes(5) + seconds(3));
}

// What the run holds back by itself is no lack of progress: one 429 is no storm.
TEST(VlmCallerTest, ALimitPerMinuteUsesUpNoPatience) {
  CallerLimits limits = limits_of(1);
  limits.requests_per_minute = 2;
  limits.retry.rate_limit_patience = seconds(50);
  int requests = 0;
  const Outcome out = run_calls(10, limits, [&](TimePoint) {
    return ++requests % 2 == 0 ? rate_limited("retry-after", "0") : good_answer();
  });
  EXPECT_EQ(out.finished, 10);
}

TEST(VlmCallerTest, AStormEndsTheWaitingUnderALimitPerMinuteToo) {
  CallerLimits limits = limits_of(1);
  limits.requests_per_minute = 2;
  limits.retry.rate_limit_patience = seconds(100);
  const Outcome out =
      run_calls(3, limits, [](TimePoint) { return rate_limited("retry-after", "0"); });
  EXPECT_EQ(out.finished, 0);
  EXPECT_THAT(out.ended, HasSubstr("rate limit lets no request through"));
  EXPECT_LT(out.took, seconds(300));
}

HttpOutcome server_error(int status, const char* body = "", const char* retry_after = nullptr) {
  HttpResponse response;
  response.status = status;
  response.body = body;
  if (retry_after != nullptr) response.headers.emplace_back("retry-after", retry_after);
  return response;
}

HttpOutcome no_connection() {
  return tl::unexpected(TransportFault{TransportFault::Kind::kConnect, "refused"});
}

TEST(VlmCallerTest, AServerThatAsksForHoursIsGivenUpAfterThePatience) {
  const Outcome out =
      run_calls(4, limits_of(4), [](TimePoint) { return server_error(502, "", "3600"); });
  EXPECT_EQ(out.failed, 0);
  EXPECT_THAT(out.ended, HasSubstr("cannot be reached for 120 s"));
  EXPECT_THAT(out.ended, HasSubstr("image_grounding.vlm.startup_patience"));
  EXPECT_LT(out.took, seconds(130));
}

// What an outage may look like: nobody listens, a gateway without its server, a model being loaded.
const std::vector<HttpOutcome> kOutages = {no_connection(), server_error(502), server_error(503),
                                           server_error(500), server_error(202)};

TEST(VlmCallerTest, AnOutageFailsNoCall) {
  for (const HttpOutcome& fault : kOutages) {
    for (const int workers : {1, 4, 64, 1000}) {
      const Outcome out = run_calls(40 * workers, limits_of(workers), [&](TimePoint at) {
        const bool is_out = at >= TimePoint() + seconds(10) && at < TimePoint() + seconds(250);
        return is_out ? fault : good_answer();
      });
      const auto where = ::testing::Message() << (fault ? fault->status : 0) << ", " << workers;
      EXPECT_EQ(out.finished, 40 * workers) << where;
      EXPECT_EQ(out.failed, 0) << where;
      EXPECT_EQ(out.ended, "") << where;
      EXPECT_LT(out.took, seconds(240 + 40 + 35 + 30)) << where;
      // Those in flight when it began, one each until that was noticed, and the probes.
      EXPECT_LE(out.requests, 41 * workers + 60) << where;
    }
  }
}

TEST(VlmCallerTest, AnOutageBeyondThePatienceEndsTheRunAndFailsNoCall) {
  CallerLimits limits = limits_of(16);
  limits.patience.outage = seconds(300);
  for (const HttpOutcome& fault : kOutages) {
    const Outcome out = run_calls(1000, limits, [&](TimePoint at) {
      return at >= TimePoint() + seconds(10) ? fault : good_answer();
    });
    EXPECT_EQ(out.failed, 0);
    EXPECT_THAT(out.ended, HasSubstr("has not answered for 300 s"));
    EXPECT_THAT(out.ended, HasSubstr("image_grounding.vlm.outage_patience"));
    EXPECT_LT(out.took, seconds(320));
  }
}

TEST(VlmCallerTest, AServerThatIsStartingIsWaitedFor) {
  for (const HttpOutcome& fault : {no_connection(), server_error(503), server_error(202)}) {
    const Outcome out = run_calls(50, limits_of(16), [&](TimePoint at) {
      return at < TimePoint() + seconds(40) ? fault : good_answer();
    });
    EXPECT_EQ(out.finished, 50);
    EXPECT_LT(out.took, seconds(90));
    EXPECT_LT(out.requests, 50 + 4 + 10);
  }
}

TEST(VlmCallerTest, AnUnknownHostOrAnUntrustedCertificateEndsTheRunAtOnce) {
  for (const auto kind : {TransportFault::Kind::kDns, TransportFault::Kind::kTls}) {
    const Outcome out = run_calls(50, limits_of(4), [&](TimePoint) -> HttpOutcome {
      return tl::unexpected(TransportFault{kind, "no"});
    });
    EXPECT_THAT(out.ended, HasSubstr("cannot be reached"));
    EXPECT_LE(out.requests, 8);
  }
}

// One record whose every request gets a 500, also when it is the last one.
TEST(VlmCallerTest, APoisonedRequestFailsAlone) {
  for (const int workers : {1, 4, 16}) {
    for (const int poisoned : {0, 5, 99}) {
      const Outcome out = run_poisoned(100, limits_of(workers), {poisoned});
      EXPECT_EQ(out.finished, 99) << workers << ", " << poisoned;
      EXPECT_EQ(out.failed, 1) << workers << ", " << poisoned;
      EXPECT_LE(out.requests, 99 + 6 + 8) << workers << ", " << poisoned;
    }
  }
}

TEST(VlmCallerTest, ManyPoisonedRequestsInARowAreNoOutage) {
  std::set<int> poisoned;
  for (int i = 40; i < 60; ++i) poisoned.insert(i);
  for (const int workers : {1, 4, 16}) {
    const Outcome out = run_poisoned(100, limits_of(workers), poisoned);
    EXPECT_EQ(out.finished, 80) << workers;
    EXPECT_EQ(out.failed, 20) << workers;
    EXPECT_EQ(out.ended, "") << workers;
  }
}

TEST(VlmCallerTest, AnEndpointThatRefusesEverythingEndsTheRun) {
  for (const int workers : {1, 4, 64}) {
    const Outcome out = run_calls(500, limits_of(workers), [](TimePoint) {
      return server_error(400, R"({"error":{"message":"no such thing"}})");
    });
    EXPECT_THAT(out.ended, HasSubstr("refuses every request: HTTP 400: no such thing"));
    EXPECT_THAT(out.ended, HasSubstr("image_grounding.vlm.openai.temperature"));
    EXPECT_LE(out.requests, 12) << workers;
  }
}

TEST(VlmCallerTest, AnEndpointThatBeginsToRefuseEverythingEndsTheRunAndFailsNoCall) {
  for (const int workers : {1, 4, 64}) {
    const Outcome out = run_calls(100 * workers, limits_of(workers), [](TimePoint at) {
      return at < TimePoint() + seconds(10) ? good_answer()
                                            : server_error(422, R"({"detail":"budget"})");
    });
    EXPECT_THAT(out.ended, HasSubstr("refuses every request: HTTP 422: budget")) << workers;
    EXPECT_EQ(out.failed, 0) << workers;
    EXPECT_LE(out.requests, 11 * workers + 8) << workers;
  }
}

TEST(VlmCallerTest, ReplicasShareTheLoadAndStandInForEachOther) {
  // Each answers a second later; one of them is out from 20 s to 60 s.
  const Outcome out = run_script(9000, limits_of(90),
                                 [](TimePoint at, const HttpRequest& request) {
                                   const bool is_out = at >= TimePoint() + seconds(20) &&
                                                       at < TimePoint() + seconds(60);
                                   const bool is_b = request.url.find("//b:") != std::string::npos;
                                   return is_out && is_b ? no_connection() : good_answer();
                                 },
                                 {"http://a:1/v1", "http://b:1/v1", "http://c:1/v1"});
  EXPECT_EQ(out.finished, 9000);
  EXPECT_EQ(out.failed, 0);
  EXPECT_LT(out.took, seconds(103)) << "the others take over";
  const double fair = 30 * 20;
  for (const auto& [url, times] : out.by_host) {
    const auto before = std::count_if(times.begin(), times.end(), [](TimePoint at) {
      return at >= TimePoint() + seconds(5) && at < TimePoint() + seconds(20);
    });
    EXPECT_NEAR(static_cast<double>(before), fair * 15 / 20, fair * 0.1) << url;
    const auto after = std::count_if(times.begin(), times.end(),
                                     [](TimePoint at) { return at >= TimePoint() + seconds(90); });
    EXPECT_GT(after, 100) << url << " is back";
  }
}

TEST(VlmCallerTest, AnAnswersClaimOfTokensDoesNotStopTheRun) {
  CallerLimits limits = limits_of(1);
  limits.tokens_per_minute = 1'000'000;
  const Outcome out = run_calls(3, limits, [](TimePoint) {
    HttpOutcome outcome = good_answer();
    outcome->body.insert(1, R"("usage":{"prompt_tokens":4294967295},)");
    return outcome;
  });
  EXPECT_EQ(out.finished, 3);
  EXPECT_LT(out.took, minutes(4));
}

TEST(VlmCallerTest, AnEndpointThatNeverAnswersEndsTheRun) {
  const Outcome out = run_calls(50, limits_of(4), [](TimePoint) -> HttpOutcome {
    return tl::unexpected(TransportFault{TransportFault::Kind::kTimeout, "timed out."});
  });
  EXPECT_EQ(out.ended,
            "the endpoint has not answered once after 6 attempts: timed out. Check that the server "
            "is not stuck, or give it more time (image_grounding.vlm.openai.timeout, "
            "image_grounding.vlm.gemini.timeout)");
  EXPECT_LT(out.requests, 50 * 6) << "not every call is tried to its end";
}

// An endpoint that grants ten requests in ten seconds, and says so with every answer.
TEST(VlmCallerTest, AnEndpointThatSaysNothingIsLeftIsNotAsked) {
  int left = 10;
  TimePoint window{};
  int refused = 0;
  const Outcome out = run_calls(50, limits_of(1), [&](TimePoint at) {
    if (at >= window + seconds(10)) {
      window = at;
      left = 10;
    }
    if (left == 0) {
      ++refused;
      return rate_limited("retry-after", "1");
    }
    --left;
    HttpOutcome outcome = good_answer();
    const auto rest = std::chrono::duration_cast<milliseconds>(window + seconds(10) - at);
    outcome->headers = {{"x-ratelimit-remaining-requests", std::to_string(left)},
                        {"x-ratelimit-reset-requests", std::to_string(rest.count()) + "ms"}};
    return outcome;
  });
  EXPECT_EQ(out.finished, 50);
  EXPECT_EQ(refused, 0);
}

TEST(VlmCallerTest, ReplicasOfDifferentModelsEndTheRun) {
  const Outcome out =
      run_script(100, limits_of(8),
                 [](TimePoint, const HttpRequest& request) {
                   const bool is_b = request.url.find("//b:") != std::string::npos;
                   HttpOutcome outcome = good_answer();
                   outcome->body.insert(1, is_b ? R"("model":"small",)" : R"("model":"large",)");
                   return outcome;
                 },
                 {"http://a:1/v1", "http://b:1/v1"});
  EXPECT_THAT(out.ended, HasSubstr("large"));
  EXPECT_THAT(out.ended, HasSubstr("small"));
  EXPECT_THAT(out.ended, HasSubstr("replicas of one model"));
}

}  // namespace
}  // namespace alig
