// The whole run against a transport that answers from memory: no network, no curl.
#include "auto_label_image_grounding/run/pipeline.h"

#include <atomic>
#include <chrono>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/run/results_dir.h"
#include "tests/unit/support/temporary_folder.h"

namespace alig {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// An 8-bit grey PNG of 4x4 pixels.
std::string tiny_png() {
  constexpr unsigned char kBytes[] = {
      0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48,
      0x44, 0x52, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x04, 0x08, 0x00, 0x00, 0x00,
      0x00, 0x8c, 0x9a, 0xc1, 0xa2, 0x00, 0x00, 0x00, 0x0b, 0x49, 0x44, 0x41, 0x54, 0x78,
      0x9c, 0x63, 0x60, 0xc0, 0x04, 0x00, 0x00, 0x14, 0x00, 0x01, 0x7d, 0xfe, 0x1e, 0xee,
      0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
  return {reinterpret_cast<const char*>(kBytes), sizeof kBytes};
}

// Answers on a thread of its own, as a real transport does. What it is asked is counted.
class FakeEndpoint {
 public:
  // Prompt -> outcome; called under a lock, so `script` needs none.
  using Script = std::function<HttpOutcome(const std::string& prompt)>;
  explicit FakeEndpoint(Script script) : script_(std::move(script)) {}

  HttpOutcome answer(const HttpRequest& request) {
    std::string text;
    for (const BodyPart& part : request.body) {
      if (const auto* piece = std::get_if<std::string>(&part)) text += *piece;
    }
    const std::lock_guard lock(mutex_);
    ++requests_;
    const json body = json::parse(text);
    return script_(body.at("messages").at(0).at("content").back().at("text").get<std::string>());
  }
  int requests() const { return requests_; }

 private:
  std::mutex mutex_;
  Script script_;
  std::atomic<int> requests_{0};
};

class FakeTransport final : public HttpTransport {
 public:
  explicit FakeTransport(FakeEndpoint& endpoint) : endpoint_(endpoint) {}
  ~FakeTransport() override {
    for (std::thread& thread : threads_) thread.join();
  }
  void send(HttpRequest request, Done done) override {
    threads_.emplace_back([this, request = std::move(request), done = std::move(done)] {
      done(endpoint_.answer(request));
    });
  }
  void cancel_all() override {}

 private:
  FakeEndpoint& endpoint_;
  std::vector<std::thread> threads_;
};

HttpOutcome reply(const std::string& content, const char* finish = "stop") {
  HttpResponse response;
  response.status = 200;
  response.body =
      json{{"choices", {{{"finish_reason", finish}, {"message", {{"content", content}}}}}},
           {"usage", {{"prompt_tokens", 10}, {"completion_tokens", 5}}}}
          .dump();
  return response;
}

HttpOutcome status(int code, const char* body = "") {
  HttpResponse response;
  response.status = code;
  response.body = body;
  return response;
}

std::string line_of(const std::string& prompt, const std::string& begin) {
  const std::size_t at = prompt.find("\n" + begin);
  if (at == std::string::npos) return "";
  const std::size_t from = at + 1 + begin.size();
  return prompt.substr(from, prompt.find('\n', from) - from);
}

// Finds the words "cat" and "dog" of a caption, and a box for each.
HttpOutcome good_answer(const std::string& prompt) {
  if (const std::string caption = line_of(prompt, "Caption: "); !caption.empty()) {
    json expressions = json::array();
    for (const char* word : {"cat", "dog"}) {
      if (caption.find(word) != std::string::npos) expressions.push_back({{"text", word}});
    }
    return reply(
        json{{"cleaned_caption", json::parse(caption)}, {"expressions", expressions}}.dump());
  }
  json groundings = json::array();
  for (const json& asked : json::parse(line_of(prompt, "Expressions: "))) {
    const json box = asked["text"] == "cat" ? json{0, 0, 2, 2} : json{1, 1, 4, 4};
    groundings.push_back({{"id", asked["id"]},
                          {"text", asked["text"]},
                          {"instances", {{{"bbox", box}, {"score", 0.75}}}}});
  }
  return reply(json{{"groundings", groundings}}.dump());
}

class QuietLogger final : public Logger {
 public:
  void log(LogLevel, std::string_view text) override {
    if (text.find("No new requests") != std::string_view::npos) ending_.set_value();
  }
  // Returns when a run has said that it ends and only waits for what is in flight.
  bool wait_for_ending() {
    return ending_.get_future().wait_for(std::chrono::seconds(5)) == std::future_status::ready;
  }

 private:
  std::promise<void> ending_;
};

class PipelineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"a.png", "b.png", "c.png"}) write_text(folder_ / name, tiny_png());
    write_text(folder_ / "in.jsonl", R"({"image_path": "a.png", "caption": "a cat", "n": 1.50}
{"image_path": "b.png", "caption": "a dog"}
{"image_path": "a.png", "caption": "a cat and a dog"}
{"image_path": "c.png", "caption": ""}
)");
  }
  Spec spec(const std::string& results = "out") {
    auto loaded = load_spec(
        {"results_dir: ???", "test"},
        {"results_dir=" + (folder_ / results).string(), "image_grounding.vlm.backend=openai",
         "image_grounding.vlm.openai.base_url=http://fake/v1",
         "image_grounding.vlm.openai.model_name=fake",
         "image_grounding.data.input_jsonl=" + (folder_ / "in.jsonl").string(),
         "image_grounding.data.image_root=" + folder_.path().string()});
    EXPECT_TRUE(loaded) << loaded.error().message;
    return *loaded;
  }
  RunOutcome run(const Spec& spec, FakeEndpoint& endpoint,
                 std::function<Interrupt()> interrupt = {}) {
    RunHooks hooks;
    hooks.logger = &logger_;
    hooks.interrupt = std::move(interrupt);
    RunEnvironment environment;
    environment.transport = std::make_unique<FakeTransport>(endpoint);
    environment.pool_threads = 2;
    return run_pipeline(spec, hooks, std::move(environment));
  }
  std::string output(const std::string& results = "out") {
    return read_text(folder_ / results / "annotations.jsonl");
  }
  std::vector<json> records(const std::string& results = "out") {
    std::vector<json> out;
    std::istringstream lines(output(results));
    for (std::string line; std::getline(lines, line);) out.push_back(json::parse(line));
    return out;
  }
  TemporaryFolder folder_;
  QuietLogger logger_;
};

TEST_F(PipelineTest, LabelsEveryRecordInOrder) {
  FakeEndpoint endpoint(good_answer);
  const RunOutcome outcome = run(spec(), endpoint);
  ASSERT_TRUE(outcome.status) << outcome.status.error().message;
  const auto out = records();
  ASSERT_EQ(out.size(), 4u);
  EXPECT_THAT(output(), HasSubstr("\"n\": 1.50"));
  EXPECT_EQ(out[2]["expressions"][1]["text"], "dog");
  EXPECT_EQ(out[2]["expressions"][1]["expression_id"], "expr_00003");
  EXPECT_EQ(out[2]["expressions"][1]["char_span"], (json{12, 15}));
  EXPECT_EQ(out[2]["expressions"][1]["instances"][0]["bbox"], (json{1, 1, 4, 4}));
  EXPECT_EQ(out[2]["expressions"][1]["instances"][0]["bbox_id"], "box_00003");
  EXPECT_EQ(out[3]["expressions"], json::array());
  EXPECT_EQ(out[3]["width"], 4);
  EXPECT_EQ(outcome.report.done, 4);
  EXPECT_EQ(outcome.report.expressions, 4);
  EXPECT_EQ(outcome.report.boxes, 4);
  EXPECT_EQ(outcome.report.labels.empty_captions, 1);
  // Three captions with words in them, two images.
  EXPECT_EQ(endpoint.requests(), 5);
  EXPECT_EQ(outcome.report.tokens().input, 50);
  EXPECT_EQ(json::parse(read_text(folder_ / "out" / "summary.json"))["status"], "succeeded");
  EXPECT_EQ(read_text(folder_ / "out" / "failures.jsonl"), "");
}

TEST_F(PipelineTest, ASecondRunAsksNothingAndWritesTheSame) {
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec(), endpoint).status);
  const std::string first = output();
  const RunOutcome again = run(spec(), endpoint);
  ASSERT_TRUE(again.status);
  EXPECT_EQ(endpoint.requests(), 5);
  EXPECT_EQ(output(), first);
  EXPECT_EQ(again.report.step[0].from_checkpoint, 4);
  EXPECT_EQ(again.report.step[1].from_checkpoint, 4);
}

TEST_F(PipelineTest, StepsRunApartGiveTheSameBytes) {
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec("together"), endpoint).status);
  Spec apart = spec("apart");
  apart.workflow.ground = false;
  ASSERT_TRUE(run(apart, endpoint).status);
  apart.workflow.ground = true;
  apart.workflow.extract = false;
  ASSERT_TRUE(run(apart, endpoint).status);
  for (const char* file : {"annotations.jsonl", "step_0_expression_extraction/annotations.jsonl",
                           "step_1_grounding/annotations.jsonl"}) {
    EXPECT_EQ(read_text(folder_ / "together" / file), read_text(folder_ / "apart" / file)) << file;
  }
}

TEST_F(PipelineTest, WorkersDoNotChangeTheBytes) {
  FakeEndpoint endpoint(good_answer);
  std::set<std::string> outputs;
  for (const int workers : {1, 4, 64}) {
    Spec one = spec("w" + std::to_string(workers));
    one.workflow.max_workers = workers;
    ASSERT_TRUE(run(one, endpoint).status);
    outputs.insert(output("w" + std::to_string(workers)));
  }
  EXPECT_EQ(outputs.size(), 1u);
}

TEST_F(PipelineTest, OneRefusalFailsOneRecord) {
  FakeEndpoint endpoint([](const std::string& prompt) {
    return line_of(prompt, "Caption: ") == "\"a dog\"" ? reply("", "content_filter")
                                                       : good_answer(prompt);
  });
  const RunOutcome outcome = run(spec(), endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.report.failed, 1);
  const auto out = records();
  ASSERT_EQ(out.size(), 4u);
  EXPECT_EQ(out[1]["error"]["kind"], "refused");
  EXPECT_EQ(out[1]["expressions"], json::array());
  const json failure = json::parse(read_text(folder_ / "out" / "failures.jsonl"));
  EXPECT_EQ(failure["line"], 2);
  EXPECT_EQ(failure["sample_id"], "b");
  EXPECT_EQ(failure["step"], "0");
  EXPECT_EQ(failure["attempts"], 1);
  // The next run tries it again, and it alone.
  FakeEndpoint good(good_answer);
  ASSERT_TRUE(run(spec(), good).status);
  EXPECT_EQ(good.requests(), 2);
  EXPECT_FALSE(records()[1].contains("error"));
}

TEST_F(PipelineTest, TooManyFailuresFailTheRun) {
  FakeEndpoint endpoint(
      [](const std::string&) { return status(400, R"({"error":{"message":"bad picture"}})"); });
  const RunOutcome outcome = run(spec(), endpoint);
  ASSERT_FALSE(outcome.status);
  EXPECT_THAT(outcome.status.error().message, HasSubstr("max_failure_ratio"));
  EXPECT_EQ(records().size(), 4u) << "the output is there all the same";
}

TEST_F(PipelineTest, ABadKeyEndsTheRunAtOnceAndIsNotPrinted) {
  FakeEndpoint endpoint([](const std::string&) {
    return status(
        401,
        R"({"error":{"code":"invalid_api_key","message":"Incorrect API key provided: sk-secret-1"}})");
  });
  Spec with_key = spec();
  with_key.vlm.openai.api_key = "sk-secret-1";
  with_key.workflow.max_workers = 1;
  const RunOutcome outcome = run(with_key, endpoint);
  ASSERT_FALSE(outcome.status);
  EXPECT_EQ(outcome.status.error().kind, ErrorKind::kEndpoint);
  EXPECT_THAT(outcome.status.error().message, ::testing::Not(HasSubstr("sk-secret-1")));
  EXPECT_EQ(endpoint.requests(), 1);
  EXPECT_EQ(json::parse(read_text(folder_ / "out" / "summary.json"))["status"], "failed");
}

// Of two requests in flight one ends the run: the other one's answer is paid for.
TEST_F(PipelineTest, AFatalAnswerLosesNothingThatIsInFlight) {
  // Both captions of one image are asked at once.
  write_text(folder_ / "in.jsonl", R"({"image_path": "a.png", "caption": "a cat"}
{"image_path": "a.png", "caption": "a cat and a dog"}
)");
  bool refused = false;
  FakeEndpoint endpoint([&](const std::string& prompt) {
    if (refused) {
      EXPECT_TRUE(logger_.wait_for_ending());
      return good_answer(prompt);
    }
    refused = true;
    return status(429, R"({"error":{"code":"insufficient_quota","message":"No credit."}})");
  });
  Spec two = spec();
  two.workflow.max_workers = 2;
  const RunOutcome outcome = run(two, endpoint);
  ASSERT_FALSE(outcome.status);
  EXPECT_EQ(outcome.status.error().kind, ErrorKind::kEndpoint);
  EXPECT_EQ(endpoint.requests(), 2);
  FakeEndpoint healthy(good_answer);
  ASSERT_TRUE(run(two, healthy).status);
  EXPECT_EQ(healthy.requests(), 2) << "three in all, of which one is answered";
}

TEST_F(PipelineTest, UnusableAnswersAreAskedAgainTwiceAtMost) {
  FakeEndpoint endpoint([](const std::string& prompt) {
    return line_of(prompt, "Caption: ") == "\"a dog\"" ? reply("Hm.") : good_answer(prompt);
  });
  const RunOutcome outcome = run(spec(), endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.report.failures_by_kind.at("unusable_answer"), 1);
  EXPECT_EQ(outcome.report.step[0].retries, 2);
  EXPECT_EQ(outcome.report.step[0].failed_attempts, 3);
}

TEST_F(PipelineTest, AnAnswerCutOffIsSplitAndAskedAgain) {
  FakeEndpoint endpoint([](const std::string& prompt) {
    const std::string asked = line_of(prompt, "Expressions: ");
    const bool both =
        asked.find("cat") != std::string::npos && asked.find("dog") != std::string::npos;
    return both ? reply("{\"groundings\": [{", "length") : good_answer(prompt);
  });
  const RunOutcome outcome = run(spec(), endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.report.failed, 0);
  EXPECT_EQ(outcome.report.labels.calls_split, 1);
  EXPECT_EQ(records()[2]["expressions"][1]["instances"].size(), 1u);
}

TEST_F(PipelineTest, AnUnreadableImageFailsItsRecordsOrIsLeftOut) {
  write_text(folder_ / "b.png", "no picture");
  FakeEndpoint endpoint(good_answer);
  const RunOutcome outcome = run(spec(), endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.report.failures_by_kind.at("image"), 1);
  EXPECT_EQ(records()[1]["error"]["kind"], "image");
  EXPECT_THAT(records()[1]["error"]["message"].get<std::string>(), HasSubstr("b.png"));

  Spec text_only = spec("text_only");
  text_only.data.on_missing_image = OnMissingImage::kTextOnly;
  const RunOutcome lenient = run(text_only, endpoint);
  ASSERT_TRUE(lenient.status);
  EXPECT_EQ(lenient.report.failed, 0);
  EXPECT_EQ(lenient.report.text_only, 1);
  EXPECT_EQ(records("text_only")[1]["width"], 1920);
}

TEST_F(PipelineTest, MaxRequestsStopsResumably) {
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec("whole"), endpoint).status);
  Spec limited = spec("limited");
  limited.workflow.max_requests = 2;
  const RunOutcome outcome = run(limited, endpoint);
  ASSERT_FALSE(outcome.status);
  EXPECT_THAT(outcome.status.error().message, HasSubstr("max_requests"));
  EXPECT_EQ(outcome.report.requests(), 2);
  EXPECT_EQ(output("limited"), "") << "nothing is published before it is whole";
  limited.workflow.max_requests = 0;
  const int before = endpoint.requests();
  ASSERT_TRUE(run(limited, endpoint).status);
  EXPECT_EQ(endpoint.requests() - before, 3);
  EXPECT_EQ(output("limited"), output("whole"));
}

TEST_F(PipelineTest, AnInterruptedRunGoesOnWhereItStopped) {
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec("whole"), endpoint).status);
  Spec one = spec("part");
  one.workflow.max_workers = 1;
  const int before = endpoint.requests();
  const RunOutcome outcome = run(one, endpoint, [&] {
    return endpoint.requests() > before ? Interrupt::kStop : Interrupt::kNone;
  });
  if (!outcome.status) {
    EXPECT_EQ(outcome.status.error().kind, ErrorKind::kInterrupted);
    EXPECT_EQ(outcome.report.status, "interrupted");
  }
  ASSERT_TRUE(run(one, endpoint).status);
  EXPECT_EQ(endpoint.requests() - before, 5) << "nothing is asked twice";
  EXPECT_EQ(output("part"), output("whole"));
}

TEST_F(PipelineTest, AnInterruptAsksNothing) {
  FakeEndpoint endpoint(good_answer);
  const RunOutcome outcome = run(spec(), endpoint, [] { return Interrupt::kNow; });
  ASSERT_FALSE(outcome.status);
  EXPECT_EQ(outcome.status.error().kind, ErrorKind::kInterrupted);
}

TEST_F(PipelineTest, HandMadeCorrectionsAreNotOverwritten) {
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec(), endpoint).status);
  const auto path = folder_ / "out" / "step_0_expression_extraction" / "annotations.jsonl";
  std::string text = read_text(path);
  text.replace(text.find("\"text\": \"cat\""), 13, "\"text\": \"dog\"");
  write_text(path, text);
  const RunOutcome refused = run(spec(), endpoint);
  ASSERT_FALSE(refused.status);
  EXPECT_THAT(refused.status.error().message, HasSubstr("steps=[\"1\"]"));
  Spec only_grounding = spec();
  only_grounding.workflow.extract = false;
  ASSERT_TRUE(run(only_grounding, endpoint).status);
  EXPECT_EQ(records()[0]["expressions"][0]["text"], "dog");
  EXPECT_EQ(records()[0]["expressions"][0]["instances"][0]["bbox"], (json{1, 1, 4, 4}));
  Spec force = spec();
  force.workflow.force_reprocess = true;
  ASSERT_TRUE(run(force, endpoint).status);
  EXPECT_EQ(records()[0]["expressions"][0]["text"], "cat");
}

TEST_F(PipelineTest, StepOneAloneNeedsStepZero) {
  FakeEndpoint endpoint(good_answer);
  Spec only_grounding = spec();
  only_grounding.workflow.extract = false;
  const RunOutcome outcome = run(only_grounding, endpoint);
  ASSERT_FALSE(outcome.status);
  EXPECT_EQ(outcome.status.error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(outcome.status.error().message, HasSubstr("step 0"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out")) << "nothing is left of a misspelt folder";
}

TEST_F(PipelineTest, ARunThatCannotBeginSaysSoInItsFolder) {
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec(), endpoint).status);
  Spec without_input = spec();
  without_input.data.input_jsonl = "no.jsonl";
  ASSERT_FALSE(run(without_input, endpoint).status);
  EXPECT_EQ(json::parse(read_text(folder_ / "out" / "summary.json"))["status"], "failed");
}

TEST_F(PipelineTest, BadLinesAreListedAndTheRunGoesOn) {
  write_text(folder_ / "in.jsonl",
             "nonsense\n{\"image_path\": \"a.png\", \"caption\": \"a cat\"}\n");
  FakeEndpoint endpoint(good_answer);
  const RunOutcome outcome = run(spec(), endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(records().size(), 1u);
  const json failure = json::parse(read_text(folder_ / "out" / "failures.jsonl"));
  EXPECT_EQ(failure["line"], 1);
  EXPECT_EQ(failure["kind"], "bad_line");
}

TEST_F(PipelineTest, AServerThatComesBackIsWaitedFor) {
  int failures = 3;
  FakeEndpoint endpoint([&](const std::string& prompt) {
    if (failures > 0) {
      --failures;
      HttpResponse response;
      response.status = 503;
      response.headers = {{"retry-after-ms", "1"}};
      return HttpOutcome(response);
    }
    return good_answer(prompt);
  });
  const RunOutcome outcome = run(spec(), endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.report.failed, 0);
  EXPECT_EQ(endpoint.requests(), 8);
}

// Refuses requests whose body holds all of some texts; the others reach the endpoint.
class RefusingTransport final : public HttpTransport {
 public:
  RefusingTransport(FakeEndpoint& endpoint, std::vector<std::string> refused, std::string message,
                    std::atomic<int>& refusals)
      : inner_(endpoint),
        refused_(std::move(refused)),
        message_(std::move(message)),
        refusals_(refusals) {}
  void send(HttpRequest request, Done done) override {
    const std::string body =
        std::get<std::string>(request.body.front()) + std::get<std::string>(request.body.back());
    const bool refuse = std::all_of(refused_.begin(), refused_.end(), [&](const auto& text) {
      return body.find(text) != std::string::npos;
    });
    if (!refuse) return inner_.send(std::move(request), std::move(done));
    ++refusals_;
    done(status(400, json{{"error", {{"message", message_}}}}.dump().c_str()));
  }
  void cancel_all() override {}

 private:
  FakeTransport inner_;
  std::vector<std::string> refused_;
  std::string message_;
  std::atomic<int>& refusals_;
};

TEST_F(PipelineTest, StructuredOutputIsGivenUpOnceWhereItIsRefused) {
  std::atomic<int> refusals{0};
  FakeEndpoint endpoint(good_answer);
  Spec one = spec();
  one.workflow.max_workers = 1;
  RunHooks hooks;
  hooks.logger = &logger_;
  RunEnvironment environment;
  environment.transport =
      std::make_unique<RefusingTransport>(endpoint, std::vector<std::string>{"response_format"},
                                          "response_format is not supported", refusals);
  const RunOutcome outcome = run_pipeline(one, hooks, std::move(environment));
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(refusals, 1);
  EXPECT_EQ(outcome.report.warnings.size(), 1u);
}

// One pixel; the smallest picture of a format that some servers refuse.
std::string tiny_gif() {
  constexpr unsigned char kBytes[] = {0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 0x01, 0x00, 0x01,
                                      0x00, 0x80, 0x00, 0x00, 0xff, 0xff, 0xff, 0x00, 0x00,
                                      0x00, 0x2c, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x01,
                                      0x00, 0x00, 0x02, 0x02, 0x44, 0x01, 0x00, 0x3b};
  return {reinterpret_cast<const char*>(kBytes), sizeof kBytes};
}

TEST_F(PipelineTest, APictureFormatThatIsRefusedIsTranscoded) {
  write_text(folder_ / "d.gif", tiny_gif());
  write_text(folder_ / "e.gif", tiny_gif());
  write_text(folder_ / "in.jsonl", R"({"image_path": "d.gif", "caption": "a cat"}
{"image_path": "d.gif", "caption": "a cat and a dog"}
{"image_path": "e.gif", "caption": "a dog"}
)");
  std::atomic<int> refusals{0};
  FakeEndpoint endpoint(good_answer);
  Spec one = spec();
  one.workflow.max_workers = 1;
  RunHooks hooks;
  hooks.logger = &logger_;
  RunEnvironment environment;
  environment.transport = std::make_unique<RefusingTransport>(
      endpoint, std::vector<std::string>{"data:image/gif"}, "Unsupported image format", refusals);
  const RunOutcome outcome = run_pipeline(one, hooks, std::move(environment));
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.report.done, 3);
  EXPECT_GE(refusals, 1);
  EXPECT_LE(refusals, 3) << "each record's first request at most";
  EXPECT_EQ(endpoint.requests(), 5) << "three captions, two pictures";
  ASSERT_EQ(outcome.report.warnings.size(), 1u);
  EXPECT_THAT(outcome.report.warnings[0], HasSubstr("image/gif"));
}

// The first record is done and gone when the picture has to be made again for the second.
TEST_F(PipelineTest, ARefusedFormatIsTranscodedForTheRecordsThatAreLeft) {
  write_text(folder_ / "d.gif", tiny_gif());
  write_text(folder_ / "in.jsonl", R"({"image_path": "d.gif", "caption": "nothing of note"}
{"image_path": "d.gif", "caption": "a cat"}
)");
  std::atomic<int> refusals{0};
  FakeEndpoint endpoint(good_answer);
  RunHooks hooks;
  hooks.logger = &logger_;
  RunEnvironment environment;
  environment.transport = std::make_unique<RefusingTransport>(
      endpoint, std::vector<std::string>{"data:image/gif", "Expressions: "},
      "Unsupported image format", refusals);
  const RunOutcome outcome = run_pipeline(spec(), hooks, std::move(environment));
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.report.done, 2);
  EXPECT_EQ(refusals, 1);
}

TEST_F(PipelineTest, RateLimitedRecordsFailTogetherAfterThePatience) {
  std::string lines;
  for (int i = 0; i < 12; ++i) {
    lines += json{{"image_path", "a.png"}, {"caption", "cat " + std::to_string(i)}}.dump() + "\n";
  }
  write_text(folder_ / "in.jsonl", lines);
  FakeEndpoint endpoint([](const std::string&) { return status(429); });
  Spec impatient = spec();
  impatient.vlm.rate_limit_patience = 0.5;
  impatient.workflow.max_workers = 12;
  const RunOutcome outcome = run(impatient, endpoint);
  EXPECT_EQ(outcome.report.failures_by_kind.at("rate_limited"), 12);
  EXPECT_LT(outcome.report.seconds, 3) << "one after the other they would need six";
  const std::string failures = read_text(folder_ / "out" / "failures.jsonl");
  EXPECT_EQ(json::parse(failures.substr(0, failures.find('\n')))["http_status"], 429);
}

TEST_F(PipelineTest, AnInterruptedForceReprocessGoesOnOverAnEditedOutput) {
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec(), endpoint).status);
  const auto edited = folder_ / "out" / "step_0_expression_extraction" / "annotations.jsonl";
  write_text(edited, read_text(edited) + " \n");
  Spec force = spec();
  force.workflow.force_reprocess = true;
  force.workflow.max_requests = 2;
  ASSERT_FALSE(run(force, endpoint).status);
  FakeEndpoint rest(good_answer);
  const RunOutcome outcome = run(spec(), rest);
  ASSERT_TRUE(outcome.status) << outcome.status.error().message;
  EXPECT_EQ(rest.requests(), 3) << "five in all, of which two were kept";
}

TEST_F(PipelineTest, ACheckpointKeepsTheNameOfItsModel) {
  FakeEndpoint endpoint(good_answer);
  Spec first = spec();
  first.workflow.ground = false;
  ASSERT_TRUE(run(first, endpoint).status);
  Spec second = spec();
  second.vlm.openai.model_name = "another";
  EXPECT_EQ(run(second, endpoint).report.other_model, 4);
  EXPECT_EQ(run(second, endpoint).report.other_model, 4) << "and once more";
}

TEST_F(PipelineTest, WithoutAPictureEachRecordHasItsOwnSize) {
  write_text(folder_ / "in.jsonl",
             R"({"image_path": "no.png", "caption": "a cat", "width": 100, "height": 100}
{"image_path": "no.png", "caption": "a dog", "width": 1000, "height": 800}
)");
  FakeEndpoint endpoint(good_answer);
  Spec text_only = spec();
  text_only.data.on_missing_image = OnMissingImage::kTextOnly;
  const RunOutcome outcome = run(text_only, endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.report.text_only, 2);
  EXPECT_EQ(records()[0]["width"], 100);
  EXPECT_EQ(records()[1]["width"], 1000);
  EXPECT_EQ(records()[1]["height"], 800);
}

TEST_F(PipelineTest, AnUndecodablePictureThatIsLeftOutIsCounted) {
  std::string damaged = tiny_png();
  damaged[45] = static_cast<char>(damaged[45] ^ 0x55);  // within the pixels
  write_text(folder_ / "d.png", damaged);
  write_text(folder_ / "in.jsonl", "{\"image_path\": \"d.png\", \"caption\": \"a cat\"}\n");
  FakeEndpoint endpoint(good_answer);
  Spec text_only = spec();
  text_only.data.on_missing_image = OnMissingImage::kTextOnly;
  text_only.vlm.max_image_side = 2;  // so that it has to be decoded
  const RunOutcome outcome = run(text_only, endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.report.text_only, 1);
  const int before = endpoint.requests();
  ASSERT_TRUE(run(text_only, endpoint).status);
  EXPECT_EQ(endpoint.requests(), before) << "left out again: nothing new to ask";
  text_only.vlm.max_image_side = 0;  // its bytes can go as they are
  EXPECT_EQ(run(text_only, endpoint).report.changed_pictures, 1);
  EXPECT_EQ(endpoint.requests(), before + 1);
}

// A wrong mount, then mended: boxes that were guessed from the caption must not pass for labels.
TEST_F(PipelineTest, BoxesGuessedWithoutThePictureAreAskedForAgainOnceItIsThere) {
  const std::string picture = read_text(folder_ / "b.png");
  std::filesystem::remove(folder_ / "b.png");
  write_text(folder_ / "in.jsonl",
             R"({"image_path": "b.png", "caption": "a dog", "width": 4, "height": 4}
)");
  FakeEndpoint endpoint(good_answer);
  Spec text_only = spec();
  text_only.data.on_missing_image = OnMissingImage::kTextOnly;
  ASSERT_TRUE(run(text_only, endpoint).status);
  const int guessed = endpoint.requests();
  ASSERT_TRUE(run(text_only, endpoint).status);
  EXPECT_EQ(endpoint.requests(), guessed) << "still missing, still allowed";

  Spec strict = spec();
  strict.workflow.max_failure_ratio = 1;
  const RunOutcome missing = run(strict, endpoint);
  EXPECT_EQ(missing.report.failures_by_kind.at("image"), 1) << "a guess is no label here";
  EXPECT_EQ(records()[0]["error"]["step"], "1");
  EXPECT_EQ(endpoint.requests(), guessed);

  write_text(folder_ / "b.png", picture);
  const RunOutcome there = run(text_only, endpoint);
  ASSERT_TRUE(there.status);
  EXPECT_EQ(endpoint.requests(), guessed + 1) << "its boxes";
  EXPECT_EQ(there.report.changed_pictures, 1);
  EXPECT_THAT(there.report.warnings.front(), HasSubstr("could not be read then: asked again"));
  EXPECT_EQ(run(strict, endpoint).report.changed_pictures, 0);
  EXPECT_EQ(endpoint.requests(), guessed + 1) << "once";
}

// A share that is mounted, then not: what is finished does not depend on its picture any more.
TEST_F(PipelineTest, APictureThatComesAndGoesLeavesWhatItShowed) {
  const std::string picture = read_text(folder_ / "b.png");
  std::filesystem::remove(folder_ / "b.png");
  write_text(folder_ / "in.jsonl", R"({"image_path": "b.png", "caption": "a dog"})");
  FakeEndpoint endpoint(good_answer);
  Spec text_only = spec();
  text_only.data.on_missing_image = OnMissingImage::kTextOnly;
  ASSERT_TRUE(run(text_only, endpoint).status);
  write_text(folder_ / "b.png", picture);
  ASSERT_TRUE(run(text_only, endpoint).status);
  const std::string labels = output();
  EXPECT_NE(records()[0]["width"], 1920);
  const int before = endpoint.requests();
  std::filesystem::remove(folder_ / "b.png");
  for (const Spec& again : {text_only, spec()}) {
    const RunOutcome outcome = run(again, endpoint);
    ASSERT_TRUE(outcome.status);
    EXPECT_EQ(outcome.report.done, 1);
    EXPECT_EQ(outcome.report.text_only, 0);
    EXPECT_EQ(output(), labels);
    EXPECT_EQ(endpoint.requests(), before);
    const auto extracted =
        read_text(folder_ / "out" / "step_0_expression_extraction" / "annotations.jsonl");
    EXPECT_EQ(json::parse(extracted)["width"], records()[0]["width"]);
  }
}

TEST_F(PipelineTest, AGuessForAnotherSizeIsMadeAnew) {
  const auto input = [&](int width) {
    write_text(
        folder_ / "in.jsonl",
        json{{"image_path", "no.png"}, {"caption", "a dog"}, {"width", width}, {"height", width}}
            .dump());
  };
  FakeEndpoint endpoint(good_answer);
  Spec text_only = spec();
  text_only.data.on_missing_image = OnMissingImage::kTextOnly;
  input(100);
  ASSERT_TRUE(run(text_only, endpoint).status);
  input(640);
  ASSERT_TRUE(run(text_only, endpoint).status);
  EXPECT_EQ(records()[0]["width"], 640);
  EXPECT_EQ(endpoint.requests(), 3) << "its boxes, not its expressions";
  text_only.workflow.ground = false;
  input(320);
  ASSERT_TRUE(run(text_only, endpoint).status);
  EXPECT_EQ(records()[0]["width"], 320);
  EXPECT_EQ(endpoint.requests(), 3);
}

TEST_F(PipelineTest, APictureThatVanishesBeforeStepOneKeepsWhatStepZeroFound) {
  FakeEndpoint endpoint(good_answer);
  Spec first = spec();
  first.workflow.ground = false;
  ASSERT_TRUE(run(first, endpoint).status);
  std::filesystem::remove(folder_ / "b.png");
  ASSERT_TRUE(run(spec(), endpoint).status);
  const json failed = records()[1];
  EXPECT_EQ(failed["error"]["step"], "1");
  EXPECT_EQ(failed["expressions"][0]["text"], "dog");
  EXPECT_EQ(failed["expressions"][0]["instances"], json::array());
}

TEST_F(PipelineTest, WhatFailedInStepZeroIsListedByStepOneAlone) {
  FakeEndpoint endpoint([](const std::string& prompt) {
    return line_of(prompt, "Caption: ") == "\"a dog\"" ? status(400) : good_answer(prompt);
  });
  Spec first = spec();
  first.workflow.ground = false;
  EXPECT_TRUE(run(first, endpoint).status);
  Spec second = spec();
  second.workflow.extract = false;
  const RunOutcome outcome = run(second, endpoint);
  EXPECT_EQ(outcome.report.failures_by_kind.at("client_error"), 1);
  const json listed = json::parse(read_text(folder_ / "out" / "failures.jsonl"));
  EXPECT_EQ(listed["line"], 2);
  EXPECT_EQ(listed["step"], "0");
}

TEST_F(PipelineTest, StepOneAloneKeepsWhatStepZeroListed) {
  const std::string input = read_text(folder_ / "in.jsonl");
  write_text(folder_ / "in.jsonl", "nonsense\n\n" + input);
  FakeEndpoint endpoint([](const std::string& prompt) {
    return line_of(prompt, "Caption: ") == "\"a dog\"" ? status(400) : good_answer(prompt);
  });
  Spec first = spec();
  first.workflow.ground = false;
  EXPECT_TRUE(run(first, endpoint).status);
  const std::string listed = read_text(folder_ / "out" / "failures.jsonl");
  ASSERT_THAT(listed, HasSubstr("\"line\":1"));
  ASSERT_THAT(listed, HasSubstr("\"line\":4"));
  Spec second = spec();
  second.workflow.extract = false;
  for (const char* time : {"once", "and again"}) {
    const RunOutcome outcome = run(second, endpoint);
    ASSERT_TRUE(outcome.status);
    EXPECT_EQ(read_text(folder_ / "out" / "failures.jsonl"), listed) << time;
    EXPECT_EQ(outcome.report.bad_lines, 1);
    EXPECT_THAT(outcome.report.warnings.back(), HasSubstr("steps=[\"0\",\"1\"]"));
  }
}

TEST_F(PipelineTest, ABadLineOfAnEditedStepZeroIsToldFromTheInputs) {
  FakeEndpoint endpoint(good_answer);
  Spec first = spec();
  first.workflow.ground = false;
  ASSERT_TRUE(run(first, endpoint).status);
  const auto path = folder_ / "out" / "step_0_expression_extraction" / "annotations.jsonl";
  std::string text = read_text(path);
  text.replace(text.find("\"text\": \"cat\""), 13, "\"text\": \" \"");
  write_text(path, text);
  Spec second = spec();
  second.workflow.extract = false;
  for (int i = 0; i < 2; ++i) {
    const RunOutcome outcome = run(second, endpoint);
    ASSERT_TRUE(outcome.status);
    EXPECT_EQ(outcome.report.bad_lines, 1) << "not carried over as the input's";
    const json failure = json::parse(read_text(folder_ / "out" / "failures.jsonl"));
    EXPECT_EQ(failure["line"], 1);
    EXPECT_EQ(failure["file"], path.string());
    EXPECT_EQ(failure["step"], "1");
    EXPECT_THAT(failure["message"].get<std::string>(), HasSubstr("empty \"text\""));
  }
}

TEST_F(PipelineTest, CorrectionsAreMadeTrueBeforeTheyAreGrounded) {
  FakeEndpoint endpoint(good_answer);
  Spec first = spec();
  first.workflow.ground = false;
  ASSERT_TRUE(run(first, endpoint).status);
  const auto path = folder_ / "out" / "step_0_expression_extraction" / "annotations.jsonl";
  std::string text = read_text(path);
  // In the third record "cat" becomes "and", with the span of "cat".
  const std::size_t third = text.find("a cat and a dog");
  text.replace(text.find("\"text\": \"cat\"", third), 13, "\"text\": \"and\"");
  write_text(path, text);
  Spec second = spec();
  second.workflow.extract = false;
  const RunOutcome outcome = run(second, endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.report.labels.spans_corrected, 1);
  EXPECT_EQ(records()[2]["expressions"][0]["char_span"], (json{6, 9}));
}

TEST_F(PipelineTest, TheAdviceForAnEditedStepZeroIsOneThatWorks) {
  FakeEndpoint endpoint([](const std::string& prompt) {
    return line_of(prompt, "Caption: ") == "\"a dog\"" ? status(400) : good_answer(prompt);
  });
  Spec first = spec();
  first.workflow.ground = false;
  ASSERT_TRUE(run(first, endpoint).status);
  const auto path = folder_ / "out" / "step_0_expression_extraction" / "annotations.jsonl";
  write_text(path, read_text(path) + "\n");
  Spec second = spec();
  second.workflow.extract = false;
  const RunOutcome outcome = run(second, endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.report.failed, 1);
  EXPECT_THAT(outcome.report.warnings.back(), HasSubstr("in another results_dir"));
  EXPECT_FALSE(run(spec(), endpoint).status) << "steps 0 and 1 refuse";
}

// A run of step 0 that was killed just before it replaced failures.jsonl.
TEST_F(PipelineTest, BadLinesOfAnotherRunAreNotCarriedOn) {
  const std::string input = read_text(folder_ / "in.jsonl");
  FakeEndpoint endpoint(good_answer);
  Spec first = spec();
  first.workflow.ground = false;
  const auto failures = folder_ / "out" / "failures.jsonl";
  write_text(folder_ / "in.jsonl", "nonsense\n" + input);
  ASSERT_TRUE(run(first, endpoint).status);
  const std::string old = read_text(failures);
  Spec second = spec();
  second.workflow.extract = false;
  for (const char* other : {"", "more\nnonsense\n"}) {
    write_text(folder_ / "in.jsonl", other + input);
    ASSERT_TRUE(run(first, endpoint).status);
    write_text(failures, old);
    const RunOutcome outcome = run(second, endpoint);
    ASSERT_TRUE(outcome.status);
    EXPECT_EQ(outcome.report.bad_lines, 0) << other;
    EXPECT_EQ(read_text(failures), "") << other;
    EXPECT_THAT(outcome.report.warnings.front(), HasSubstr("is not of the run that wrote"));
  }
  std::filesystem::remove(failures);
  EXPECT_THAT(run(second, endpoint).report.warnings.front(), HasSubstr("is not of the run"));
}

TEST_F(PipelineTest, AFailureOfAnotherRunIsNotTakenForTheRecords) {
  int code = 400;
  FakeEndpoint endpoint([&](const std::string& prompt) {
    return line_of(prompt, "Caption: ") == "\"a dog\"" ? status(code) : good_answer(prompt);
  });
  Spec first = spec();
  first.workflow.ground = false;
  const auto failures = folder_ / "out" / "failures.jsonl";
  ASSERT_TRUE(run(first, endpoint).status);
  const std::string old = read_text(failures);
  code = 422;
  ASSERT_TRUE(run(first, endpoint).status);
  write_text(failures, old);
  Spec second = spec();
  second.workflow.extract = false;
  ASSERT_TRUE(run(second, endpoint).status);
  const json listed = json::parse(read_text(failures));
  EXPECT_THAT(listed["message"].get<std::string>(), HasSubstr("422"));
}

TEST_F(PipelineTest, OnePictureByTwoSpellingsIsAskedOnce) {
  write_text(folder_ / "in.jsonl", R"({"image_path": "a.png", "caption": "a cat"}
{"image_path": ".//a.png", "caption": "a dog"}
)");
  FakeEndpoint endpoint(good_answer);
  const RunOutcome outcome = run(spec(), endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.report.images, 1);
  EXPECT_EQ(endpoint.requests(), 3) << "two captions, one picture";
  const std::string path = records()[1]["image_path"];
  EXPECT_THAT(path, HasSubstr(".//a.png")) << "each record keeps its own spelling";
}

TEST_F(PipelineTest, APictureThatWasReplacedIsGroundedAnew) {
  write_text(folder_ / "d.png", tiny_png());
  write_text(folder_ / "in.jsonl", R"({"image_path": "d.png", "caption": "a cat", "width": 4}
{"image_path": "a.png", "caption": "a dog"}
)");
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec(), endpoint).status);
  std::string wider = tiny_png();
  wider[19] = 8;  // width in the header
  write_text(folder_ / "d.png", wider);
  const int before = endpoint.requests();
  Spec only_extraction = spec();
  only_extraction.workflow.ground = false;
  ASSERT_TRUE(run(only_extraction, endpoint).status);
  EXPECT_EQ(records()[0]["width"], 8);
  const RunOutcome outcome = run(spec(), endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(endpoint.requests() - before, 1) << "its boxes, not its expressions";
  EXPECT_EQ(outcome.report.changed_pictures, 1);
  EXPECT_THAT(outcome.report.warnings.front(), HasSubstr("another size"));
  EXPECT_EQ(records()[0]["width"], 8);
  EXPECT_EQ(outcome.report.step[1].from_checkpoint, 1);
  EXPECT_EQ(run(spec(), endpoint).report.changed_pictures, 0) << "done once";
  std::filesystem::remove(folder_ / "d.png");
  const RunOutcome gone = run(spec(), endpoint);
  EXPECT_EQ(gone.report.done, 2) << "what is labelled stays, with or without its picture";
  EXPECT_EQ(endpoint.requests() - before, 1);
}

TEST_F(PipelineTest, AnotherFileOfTheSameSizeIsDoubted) {
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec(), endpoint).status);
  EXPECT_EQ(run(spec(), endpoint).report.replaced_pictures, 0);
  write_text(folder_ / "a.png", tiny_png() + " ");
  const RunOutcome outcome = run(spec(), endpoint);
  EXPECT_EQ(outcome.report.replaced_pictures, 2) << "both records of the picture";
  EXPECT_THAT(outcome.report.warnings.front(), HasSubstr("size in bytes differs"));
  EXPECT_EQ(endpoint.requests(), 5) << "a picture that was only saved anew costs nothing";
}

TEST_F(PipelineTest, ASecondRunCountsTheSameOddities) {
  write_text(folder_ / "in.jsonl",
             R"({"image_path": "a.png", "caption": "a cat", "width": 5, "height": 4}
{"image_path": "b.png", "caption": ""}
)");
  FakeEndpoint endpoint(good_answer);
  for (const char* time : {"first", "second"}) {
    const RunReport report = run(spec(), endpoint).report;
    EXPECT_EQ(report.size_mismatches, 1) << time;
    EXPECT_EQ(report.labels.empty_captions, 1) << time;
  }
}

TEST_F(PipelineTest, TwoInputsInOneFolderByTurnsAreAskedOnce) {
  const std::string one = R"({"image_path": "a.png", "caption": "a cat"})";
  const std::string other = R"({"image_path": "a.png", "caption": "a dog"})";
  FakeEndpoint endpoint(good_answer);
  for (const std::string& input : {one, other, one, other}) {
    write_text(folder_ / "in.jsonl", input + "\n");
    ASSERT_TRUE(run(spec(), endpoint).status);
  }
  EXPECT_EQ(endpoint.requests(), 4);
}

TEST_F(PipelineTest, AnotherSpellingOfTheImageRootAsksNothingAgain) {
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec(), endpoint).status);
  Spec other = spec();
  other.data.image_root += "//.";
  ASSERT_TRUE(run(other, endpoint).status);
  EXPECT_EQ(endpoint.requests(), 5);
}

TEST_F(PipelineTest, AnEditedCopyAtTheTopIsKept) {
  FakeEndpoint endpoint(good_answer);
  ASSERT_TRUE(run(spec(), endpoint).status);
  const std::string mine = output() + "\n";
  write_text(folder_ / "out" / "annotations.jsonl", mine);
  const RunOutcome outcome = run(spec(), endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(read_text(folder_ / "out" / "annotations.previous.jsonl"), mine);
  EXPECT_THAT(outcome.report.warnings.back(), HasSubstr("annotations.previous.jsonl"));
}

TEST_F(PipelineTest, NamesThatAreNoUtf8EndNothing) {
  FakeEndpoint endpoint(good_answer);
  Spec odd = spec("out\xff");
  odd.vlm.openai.model_name = "bad\xff";
  const RunOutcome outcome = run(odd, endpoint);
  ASSERT_TRUE(outcome.status) << outcome.status.error().message;
  EXPECT_EQ(json::parse(read_text(folder_ / "out\xff" / "summary.json"))["status"], "succeeded");
}

TEST_F(PipelineTest, BoxesInAnotherScaleAreDoubtedInTheSummary) {
  std::string lines;
  for (int i = 0; i < 30; ++i) {
    lines += json{{"image_path", "a.png"}, {"caption", "thing " + std::to_string(i)}}.dump() + "\n";
  }
  write_text(folder_ / "in.jsonl", lines);
  FakeEndpoint endpoint([](const std::string& prompt) {
    if (const std::string caption = line_of(prompt, "Caption: "); !caption.empty()) {
      return reply(json{{"expressions", {{{"text", json::parse(caption)}}}}}.dump());
    }
    json groundings = json::array();
    for (const json& asked : json::parse(line_of(prompt, "Expressions: "))) {
      const int at = asked["id"].get<int>() * 20;
      groundings.push_back(
          {{"id", asked["id"]}, {"instances", {{{"bbox", {at, at, at + 300, at + 300}}}}}});
    }
    return reply(json{{"groundings", groundings}}.dump());
  });
  const RunOutcome outcome = run(spec(), endpoint);
  ASSERT_TRUE(outcome.status);
  const json summary = json::parse(read_text(folder_ / "out" / "summary.json"));
  EXPECT_EQ(summary["coordinates"]["beyond_range"], 30);
  EXPECT_EQ(summary["coordinates"]["better"], "xyxy_1000") << "pictures of 4x4 pixels";
  EXPECT_THAT(summary["warnings"].dump(), HasSubstr("vlm.coordinates=xyxy_1000"));
}

}  // namespace
}  // namespace alig
