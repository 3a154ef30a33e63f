// What a whole run does, with answers of every kind.
#include "tests/unit/run/pipeline_fixture.h"

namespace alig {
namespace {

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
  EXPECT_EQ(outcome.report.counts.records.done, 4);
  EXPECT_EQ(outcome.report.counts.records.expressions, 4);
  EXPECT_EQ(outcome.report.counts.records.boxes, 4);
  EXPECT_EQ(outcome.report.counts.labels.empty_captions, 1);
  // Three captions with words in them, two images.
  EXPECT_EQ(endpoint.requests(), 5);
  EXPECT_EQ(outcome.report.counts.calls.total().tokens.input, 50);
  EXPECT_EQ(json::parse(read_text(folder_ / "out" / "summary.json"))["status"], "succeeded");
  EXPECT_EQ(read_text(folder_ / "out" / "failures.jsonl"), "");
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
  EXPECT_EQ(outcome.report.counts.records.failed, 1);
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
  FakeEndpoint endpoint([](const std::string& prompt) {
    const bool refused = line_of(prompt, "Caption: ").find("dog") != std::string::npos;
    return refused ? status(400, R"({"error":{"message":"no dogs"}})") : good_answer(prompt);
  });
  Spec strict = spec();
  strict.workflow.max_failure_ratio = 0.4;
  const RunOutcome outcome = run(strict, endpoint);
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
  endpoint.wait_for(2);
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
  EXPECT_EQ(outcome.report.counts.records.failures_by_kind.at("unusable_answer"), 1);
  EXPECT_EQ(outcome.report.counts.calls.steps[Step::kExtraction].retries, 2);
  EXPECT_EQ(outcome.report.counts.calls.steps[Step::kExtraction].failed_attempts, 3);
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
  EXPECT_EQ(outcome.report.counts.records.failed, 0);
  EXPECT_EQ(outcome.report.counts.labels.calls_split, 1);
  EXPECT_EQ(records()[2]["expressions"][1]["instances"].size(), 1u);
}

TEST_F(PipelineTest, AnUnreadableImageFailsItsRecordsOrIsLeftOut) {
  write_text(folder_ / "b.png", "no image");
  FakeEndpoint endpoint(good_answer);
  const RunOutcome outcome = run(spec(), endpoint);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.report.counts.records.failures_by_kind.at("image"), 1);
  EXPECT_EQ(records()[1]["error"]["kind"], "image");
  EXPECT_THAT(records()[1]["error"]["message"].get<std::string>(), HasSubstr("b.png"));

  Spec text_only = spec("text_only");
  text_only.data.on_missing_image = OnMissingImage::kTextOnly;
  const RunOutcome lenient = run(text_only, endpoint);
  ASSERT_TRUE(lenient.status);
  EXPECT_EQ(lenient.report.counts.records.failed, 0);
  EXPECT_EQ(lenient.report.counts.text_only, 1);
  EXPECT_EQ(records("text_only")[1]["width"], 1920);
}

TEST_F(PipelineTest, AnInterruptAsksNothing) {
  FakeEndpoint endpoint(good_answer);
  const RunOutcome outcome = run(spec(), endpoint, [] { return Interrupt::kNow; });
  ASSERT_FALSE(outcome.status);
  EXPECT_EQ(outcome.status.error().kind, ErrorKind::kInterrupted);
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
  EXPECT_EQ(outcome.report.counts.records.failed, 0);
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
  EXPECT_EQ(refusals, 2) << "both forms of it";
  EXPECT_EQ(outcome.report.warnings.size(), 1u);
}

// One pixel; the smallest image of a format that some servers refuse.
std::string tiny_gif() {
  constexpr unsigned char kBytes[] = {0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 0x01, 0x00, 0x01,
                                      0x00, 0x80, 0x00, 0x00, 0xff, 0xff, 0xff, 0x00, 0x00,
                                      0x00, 0x2c, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x01,
                                      0x00, 0x00, 0x02, 0x02, 0x44, 0x01, 0x00, 0x3b};
  return {reinterpret_cast<const char*>(kBytes), sizeof kBytes};
}

TEST_F(PipelineTest, AnImageFormatThatIsRefusedIsTranscoded) {
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
  EXPECT_EQ(outcome.report.counts.records.done, 3);
  EXPECT_GE(refusals, 1);
  EXPECT_LE(refusals, 3) << "each record's first request at most";
  EXPECT_EQ(endpoint.requests(), 5) << "three captions, two images";
  ASSERT_EQ(outcome.report.warnings.size(), 1u);
  EXPECT_THAT(outcome.report.warnings[0], HasSubstr("image/gif"));
}

// The first record is done and gone when the image has to be made again for the second.
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
  EXPECT_EQ(outcome.report.counts.records.done, 2);
  EXPECT_EQ(refusals, 2) << "as it was, and without the schema of step 1";
}

TEST_F(PipelineTest, ARateLimitThatLetsNothingThroughEndsTheRunAfterThePatience) {
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
  ASSERT_FALSE(outcome.status);
  EXPECT_THAT(outcome.status.error().message, HasSubstr("image_grounding.vlm.rate_limit_patience"));
  EXPECT_EQ(outcome.report.counts.records.done, 0);
  EXPECT_LT(outcome.report.seconds, 3) << "one after the other they would need six";
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
  EXPECT_EQ(summary["coordinates"]["better"], "xyxy_1000") << "images of 4x4 pixels";
  EXPECT_THAT(summary["warnings"].dump(), HasSubstr("vlm.coordinates=xyxy_1000"));
}

}  // namespace
}  // namespace alig
